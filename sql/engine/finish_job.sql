-- End the job, fenced; its last transaction.
-- Returns the job's row, or none when a successor owns it. %(deleted)s records were
-- found absent: they count as received and processed; %(absent)s are only missing so far.
UPDATE ops.sync_jobs SET
    status = CASE WHEN new_rejects > 0 THEN 'partial' ELSE 'success' END,
    completed_at = clock_timestamp(),
    heartbeat_at = clock_timestamp(),
    resume_at = NULL,
    checkpoint = NULL,
    records_deleted = records_deleted + %(deleted)s,
    records_absent = %(absent)s,
    records_received = records_received + %(deleted)s,
    records_processed = records_processed + %(deleted)s,
    requests = requests + %(requests)s,
    retries = retries + %(retries)s,
    faults = 0,
    throttles = 0,
    faulted_at = NULL
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
