-- The window of an Airflow run that ended and was cleared: it is read again.
-- Returns one row or none: window_start, window_end. Reads only.
SELECT window_start, window_end
FROM ops.sync_jobs
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND job_type = %(job_type)s
    AND dag_id = %(dag_id)s
    AND run_id = %(run_id)s
    AND status IN ('success', 'partial', 'failed')
ORDER BY id DESC
LIMIT 1
