-- Take over a job that died, waits or failed: attempt + 1 fences its old process.
-- Returns its row. Runs under the lock of its (source, entity). The Airflow run that
-- goes on with it becomes its run. What the job was allowed to ignore it stays allowed. Its
-- patience with the source goes on where it waited, and begins anew after a failure.
WITH resumed AS (
    UPDATE ops.sync_jobs SET
        status = 'running',
        attempt = attempt + 1,
        backend_pid = pg_backend_pid(),
        dag_id = coalesce(%(dag_id)s, dag_id),
        run_id = coalesce(%(run_id)s, run_id),
        try_number = coalesce(%(try_number)s, try_number),
        overrides = ARRAY(SELECT DISTINCT unnest(overrides || %(overrides)s::text[])),
        heartbeat_at = clock_timestamp(),
        completed_at = NULL,
        faults = CASE WHEN status = 'failed' THEN 0 ELSE faults END,
        throttles = CASE WHEN status = 'failed' THEN 0 ELSE throttles END,
        faulted_at = CASE WHEN status = 'failed' THEN NULL ELSE faulted_at END,
        resume_at = NULL,
        error_type = NULL,
        error_message = NULL,
        guard = NULL
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
