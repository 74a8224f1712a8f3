-- The job that brought a file of this content to its end, in the same way, if any did.
-- Returns the job's row, or none. Reads only.
SELECT j.*
FROM ops.csv_files AS f
JOIN ops.sync_jobs AS j ON j.id = f.job_id
WHERE f.source_system = %(source_system)s
    AND f.entity_type = %(entity_type)s
    AND f.sha256 = %(sha256)s
    AND f.is_snapshot = %(is_snapshot)s
    AND j.status IN ('success', 'partial')
ORDER BY j.id DESC
LIMIT 1
