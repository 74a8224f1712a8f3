-- A few records that live in raw.{table} and did not seem to differ to a job: the last
-- observed first, for these the source is likely to know.
-- Returns at most three rows: source_id. Reads only.
SELECT t.source_id
FROM raw.{table} AS t
WHERE t.source_system = %(source_system)s
    AND NOT t.is_deleted
    AND NOT EXISTS (
        SELECT
        FROM ops.reconciliation_differences AS d
        JOIN ops.reconciliations AS r ON r.id = d.reconciliation_id
        WHERE r.job_id = %(job_id)s AND d.source_id = t.source_id
    )
ORDER BY t.fetched_at DESC, t.source_id
LIMIT 3
