-- Imports of files that nobody works on, although they are not done: whose process said
-- nothing for %(dead_after)s seconds. The lock of their entity is for the caller to ask.
-- Returns job_id, entity_type, name (NULL: it died before it wrote down which file). Reads
-- only.
SELECT j.id AS job_id, j.entity_type, f.name
FROM ops.sync_jobs AS j
LEFT JOIN ops.csv_files AS f ON f.job_id = j.id
WHERE j.source_system = %(source_system)s
    AND j.via = 'csv'
    AND j.status IN ('pending', 'running', 'waiting')
    AND j.heartbeat_at < clock_timestamp() - make_interval(secs => %(dead_after)s)
ORDER BY j.id
