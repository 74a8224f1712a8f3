-- Leave the job as failed or waiting, fenced. Returns its row, or none.
-- Safe to repeat: only the attempt that owns the running job can.
UPDATE ops.sync_jobs SET
    status = %(status)s,
    heartbeat_at = clock_timestamp(),
    completed_at = CASE WHEN %(status)s = 'failed' THEN clock_timestamp() END,
    resume_at = %(resume_at)s,
    error_type = %(error_type)s,
    error_message = %(error_message)s,
    guard = %(guard)s,
    requests = requests + %(requests)s,
    retries = retries + %(retries)s,
    faults = %(faults)s,
    throttles = %(throttles)s,
    faulted_at = %(faulted_at)s
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
