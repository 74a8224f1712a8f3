-- Take over a job that died, waits or failed: attempt + 1 fences its old process.
-- Returns its row. Runs under the lock of its (source, entity). The Airflow run that
-- goes on with it becomes its run.
WITH resumed AS (
    UPDATE ops.sync_jobs SET
        status = 'running',
        attempt = attempt + 1,
        backend_pid = pg_backend_pid(),
        dag_id = coalesce(%(dag_id)s, dag_id),
        run_id = coalesce(%(run_id)s, run_id),
        heartbeat_at = clock_timestamp(),
        completed_at = NULL,
        resume_at = NULL,
        error_type = NULL,
        error_message = NULL
    WHERE id = %(job_id)s
    RETURNING *
),
solved AS (
    UPDATE ops.sync_errors SET resolved = true, resolved_at = clock_timestamp()
    WHERE sync_job_id = %(job_id)s
        AND fingerprint = 'job:' || %(job_id)s::bigint
        AND NOT resolved
)
SELECT * FROM resumed
