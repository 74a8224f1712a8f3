-- Empty the payloads of records of raw.{table}; the ids stay, marked as deleted.
-- Returns one row: lived, erased. Safe to repeat: what is empty is not written.
WITH before AS (
    SELECT source_id, is_deleted FROM raw.{table}
    WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s)
    FOR UPDATE
),
erased AS (
    UPDATE raw.{table} AS r SET
        payload = jsonb_build_object(),
        payload_bytes = NULL,
        payload_hash = '',
        source_updated_at = NULL,
        is_deleted = true,
        deleted_at = coalesce(r.deleted_at, clock_timestamp()),
        absent_since = NULL,
        job_id = coalesce(%(job_id)s, r.job_id)
    FROM before
    WHERE r.source_system = %(source_system)s AND r.source_id = before.source_id
        AND r.payload_hash <> ''
    RETURNING NOT before.is_deleted AS lived
)
SELECT count(*) FILTER (WHERE lived), count(*) FROM erased
