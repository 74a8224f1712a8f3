-- Say that the job's process lives. Returns its id, or none when it was taken over.
UPDATE ops.sync_jobs SET heartbeat_at = clock_timestamp()
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING id
