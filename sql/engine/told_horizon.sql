-- Whether the audit trail already says what a job lost to the horizon, of today: who goes on
-- with it later has lost more. %(job_id)s: the job. Returns one row. Reads only.
SELECT EXISTS (
    SELECT FROM ops.audit_log
    WHERE object_type = 'sync_job'
        AND object_id = %(job_id)s::text
        AND action = 'job.horizon'
        AND at > clock_timestamp() - interval '1 day'
)
