-- Who holds the lock of a (source, entity), and what is known of its job.
-- Returns one row or none: pid, job_id, dag_id, run_id, started_at, idle_seconds,
-- is_at_work: it executes a statement just now. Reads only.
SELECT
    l.pid, j.id AS job_id, j.dag_id, j.run_id, j.started_at,
    extract(epoch FROM clock_timestamp() - j.heartbeat_at) AS idle_seconds,
    ops.is_at_work(l.pid) AS is_at_work
FROM pg_locks AS l
LEFT JOIN ops.sync_jobs AS j
    ON j.backend_pid = l.pid AND j.status = 'running'
    AND j.source_system = %(source_system)s AND j.entity_type = %(entity_type)s
WHERE l.locktype = 'advisory'
    AND l.granted
    AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::bigint << 32) | l.objid::bigint) = %(key)s
ORDER BY j.id DESC NULLS LAST
LIMIT 1
