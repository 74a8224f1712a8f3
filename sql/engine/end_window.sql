-- Say how the reading of a job's window ended, fenced. Returns the job's row, or none.
-- Safe to repeat.
WITH owned AS (
    UPDATE ops.sync_jobs SET heartbeat_at = clock_timestamp()
    WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
    RETURNING *
),
ended AS (
    UPDATE ops.sync_windows AS w SET state = %(state)s, ended_at = clock_timestamp()
    FROM owned
    WHERE w.job_id = owned.id AND w.state = 'reading'
)
SELECT * FROM owned
