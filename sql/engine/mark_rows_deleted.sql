-- Mark rows of warehouse.{table} as deleted. Returns one row: deleted, their source ids.
-- %(archived_at)s: JSON object from source ids to the moments at which the source says
-- that it archived them; what it does not name is deleted as of now.
-- Safe to repeat: live rows only.
WITH marked AS (
    UPDATE warehouse.{table} SET
        is_deleted = true,
        deleted_at = least(
            (%(archived_at)s::jsonb ->> source_id)::timestamptz, clock_timestamp()
        ),
        job_id = %(job_id)s,
        updated_at = clock_timestamp(),
        last_synced = clock_timestamp()
    WHERE source_system = %(source_system)s
        AND source_id = ANY(%(ids)s)
        AND NOT is_deleted
    RETURNING source_id
)
SELECT count(*) AS deleted, coalesce(array_agg(source_id), ARRAY[]::text[]) AS source_ids
FROM marked
