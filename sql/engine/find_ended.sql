-- The job that earlier tries of an Airflow task have brought to its end, or maintenance for
-- them: nothing is left to do. %(first_try)s: the first one since the run began or was
-- cleared; who clears a run wants its window read again.
-- Returns one row or none. Reads only.
SELECT j.*
FROM ops.sync_jobs AS j
WHERE j.source_system = %(source_system)s
    AND j.entity_type = %(entity_type)s
    AND j.job_type = %(job_type)s
    AND j.via = %(via)s
    AND j.arguments = %(arguments)s
    AND j.dag_id = %(dag_id)s
    AND j.run_id = %(run_id)s
    AND j.status IN ('success', 'partial')
    AND j.try_number >= %(first_try)s
    AND j.try_number < %(try_number)s
ORDER BY j.id DESC
LIMIT 1
