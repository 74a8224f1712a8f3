-- Mark confirmed absences as deleted in raw.{raw_table} and warehouse.{table}.
-- Returns one row: deleted, rows of the unified table. Safe to repeat: live rows only.
WITH raw_rows AS (
    UPDATE raw.{raw_table} SET
        is_deleted = true,
        deleted_at = clock_timestamp(),
        absent_since = NULL,
        job_id = %(job_id)s
    WHERE source_system = %(source_system)s
        AND source_id = ANY(%(ids)s)
        AND NOT is_deleted
    RETURNING source_id
),
marked AS (
    UPDATE warehouse.{table} AS w SET
        is_deleted = true,
        deleted_at = clock_timestamp(),
        job_id = %(job_id)s,
        updated_at = clock_timestamp(),
        last_synced = clock_timestamp()
    FROM raw_rows AS r
    WHERE w.source_system = %(source_system)s
        AND w.source_id = r.source_id
        AND NOT w.is_deleted
    RETURNING 1
)
SELECT count(*) AS deleted FROM marked
