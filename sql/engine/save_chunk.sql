-- Move the job's checkpoint and counters forward, fenced.
-- %(deleted)s: of records that did not come; %(told_gone)s: of those that came and say that
-- they were deleted, which are counted as received already.
-- Returns one row while this attempt owns the job, none when a successor does: the
-- caller then rolls back the whole chunk. Part of the chunk's transaction.
UPDATE ops.sync_jobs SET
    checkpoint = %(checkpoint)s,
    chunks = chunks + 1,
    records_received = records_received + %(received)s + %(deleted)s,
    records_repeated = records_repeated + %(repeated)s,
    records_processed = records_processed + %(processed)s + %(deleted)s,
    records_deleted = records_deleted + %(deleted)s + %(told_gone)s,
    records_created = records_created + %(created)s,
    records_updated = records_updated + %(updated)s,
    records_unchanged = records_unchanged + %(unchanged)s,
    records_failed = records_failed + %(failed)s,
    new_rejects = new_rejects + %(new_rejects)s,
    warnings = warnings + %(warnings)s,
    requests = requests + %(requests)s,
    retries = retries + %(retries)s,
    faults = 0,
    throttles = 0,
    faulted_at = NULL,
    last_processed_timestamp = greatest(last_processed_timestamp, %(last_version)s),
    heartbeat_at = clock_timestamp()
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
