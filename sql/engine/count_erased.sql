-- Count records that a job erased, fenced. Returns one row while this attempt owns the
-- job, none when a successor does: the caller then rolls back the erasure. Part of the
-- erasure's transaction.
UPDATE ops.sync_jobs SET
    records_received = records_received + %(deleted)s,
    records_processed = records_processed + %(deleted)s,
    records_deleted = records_deleted + %(deleted)s,
    heartbeat_at = clock_timestamp()
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
