-- The job that brought a file of this content to its end, in the same way, if any did. Not
-- when another file was imported since, and this one was written after that: then it says
-- that all is again as it was. Nor when a snapshot that remembered absences was written anew
-- an hour after: it is a second one, which confirms them; sooner it was sent twice. Returns
-- the job's row, or none. Reads only.
SELECT j.*
FROM ops.csv_files AS f
JOIN ops.sync_jobs AS j ON j.id = f.job_id
WHERE f.source_system = %(source_system)s
    AND f.entity_type = %(entity_type)s
    AND f.sha256 = %(sha256)s
    AND f.is_snapshot = %(is_snapshot)s
    AND j.status IN ('success', 'partial')
    AND NOT (
        f.is_snapshot
        AND j.records_absent > 0
        AND %(modified_at)s > j.completed_at + interval '1 hour'
    )
    AND NOT EXISTS (
        SELECT FROM ops.csv_files AS other
        JOIN ops.sync_jobs AS its ON its.id = other.job_id
        WHERE other.source_system = f.source_system
            AND other.entity_type = f.entity_type
            AND other.job_id > f.job_id
            AND other.sha256 <> f.sha256
            AND other.modified_at < %(modified_at)s
            AND its.status IN ('success', 'partial')
    )
ORDER BY j.id DESC
LIMIT 1
