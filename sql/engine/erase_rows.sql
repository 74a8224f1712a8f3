-- Empty the rows of records in warehouse.{table}: {emptied} sets every column to NULL
-- that may be, {held} says that one is not. The ids stay, marked as deleted.
-- Returns one row: source ids of those that lived, erased.
-- Safe to repeat: what is empty is not written.
WITH before AS (
    SELECT id, source_id, is_deleted FROM warehouse.{table}
    WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s)
    FOR UPDATE
),
erased AS (
    UPDATE warehouse.{table} AS w SET
        {emptied}
        sync_hash = '',
        is_deleted = true,
        deleted_at = coalesce(w.deleted_at, clock_timestamp()),
        job_id = coalesce(%(job_id)s, w.job_id),
        updated_at = clock_timestamp(),
        last_synced = clock_timestamp()
    FROM before
    WHERE w.id = before.id
        AND ({held} w.sync_hash <> '' OR NOT w.is_deleted)
    RETURNING before.source_id, NOT before.is_deleted AS lived
)
SELECT coalesce(array_agg(source_id) FILTER (WHERE lived), ARRAY[]::text[]), count(*) FROM erased
