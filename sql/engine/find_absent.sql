-- Records of raw.{table} that a full load did not see although they were last
-- observed before it began.
-- Returns one row each: source_id, absent_before (a full load missed it that had ended by
-- then, too),
-- approved (that one was told to ignore that so many were missing).
-- Reads only.
WITH approved AS MATERIALIZED (
    SELECT started_at, completed_at FROM ops.sync_jobs
    WHERE source_system = %(source_system)s
        AND entity_type = %(entity_type)s
        AND job_type = 'full'
        AND status IN ('success', 'partial')
        AND overrides && %(guards)s
    ORDER BY id DESC
    LIMIT 1
)
SELECT
    r.source_id,
    coalesce(r.absent_since < %(began)s, false) AS absent_before,
    coalesce(r.absent_since BETWEEN a.started_at AND a.completed_at, false) AS approved
FROM raw.{table} AS r
LEFT JOIN approved AS a ON true
WHERE r.source_system = %(source_system)s
    AND NOT r.is_deleted
    AND r.fetched_at < %(began)s
    AND NOT EXISTS (
        SELECT FROM (
            SELECT unnest(ids) AS source_id FROM ops.sync_job_ids
            WHERE job_id = %(job_id)s
        ) AS seen
        WHERE seen.source_id = r.source_id
    )
ORDER BY r.source_id
