-- Begin the window anew inside the same job, fenced, and say that this reading of it came
-- short: what was merged stays, and its ids stay known, so that nothing is counted twice.
-- Returns the job's row, or none.
WITH begun AS (
    UPDATE ops.sync_jobs SET
        checkpoint = NULL,
        heartbeat_at = clock_timestamp()
    WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
    RETURNING *
),
ended AS (
    UPDATE ops.sync_windows AS w SET state = 'short', ended_at = clock_timestamp()
    FROM begun
    WHERE w.job_id = begun.id AND w.state = 'reading'
)
SELECT * FROM begun
