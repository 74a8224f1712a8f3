-- Records of raw.{table} that a full load did not see although they were last
-- observed before it began.
-- Returns one row each: source_id, absent_before (an earlier full load missed it too).
-- Reads only.
SELECT r.source_id, r.absent_since IS NOT NULL AS absent_before
FROM raw.{table} AS r
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
