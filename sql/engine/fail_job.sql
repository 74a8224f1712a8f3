-- Write a failed job's reason into ops.sync_errors. Returns nothing.
-- Safe to repeat: one row per job, which counts up.
INSERT INTO ops.sync_errors AS s (
    sync_job_id, source_system, entity_type, severity, error_type, error_message,
    stack_trace, fingerprint
)
SELECT
    j.id, j.source_system, j.entity_type, 'error', %(error_type)s, %(error_message)s,
    %(stack_trace)s, 'job:' || j.id
FROM ops.sync_jobs AS j
WHERE j.id = %(job_id)s
ON CONFLICT ON CONSTRAINT sync_errors_once DO UPDATE SET
    error_type = excluded.error_type,
    error_message = excluded.error_message,
    stack_trace = excluded.stack_trace,
    retry_count = s.retry_count + 1,
    seen_count = s.seen_count + 1,
    resolved = false,
    resolved_at = NULL,
    last_seen_at = clock_timestamp()
