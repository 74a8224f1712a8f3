-- Begin the list anew inside the same job and window, fenced: what was merged stays,
-- and its ids stay known, so that nothing is counted twice. Returns its row, or none.
UPDATE ops.sync_jobs SET
    checkpoint = NULL,
    heartbeat_at = clock_timestamp()
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
