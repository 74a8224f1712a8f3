-- Rows of a job's file that are in quarantine: those of its own lines that were seen
-- since the job began. Returns page (line and file) and why, in the order of the lines: at
-- most %(limit)s. Reads only.
SELECT e.page, e.field, e.error_type, e.error_message
FROM ops.csv_files AS f
JOIN ops.sync_jobs AS j ON j.id = f.job_id
JOIN ops.sync_errors AS e
    ON e.source_system = f.source_system AND e.entity_type = f.entity_type
WHERE f.job_id = %(job_id)s
    AND e.severity = 'error'
    AND NOT e.resolved
    AND e.last_seen_at >= j.started_at
    AND e.page LIKE 'line %%'
    AND right(e.page, length(f.name) + 4) = ' of ' || f.name
ORDER BY substring(e.page FROM '^line ([0-9]+)')::bigint
LIMIT %(limit)s
