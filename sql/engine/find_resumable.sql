-- The job that a sync goes on with, if any, with the same arguments: an unfinished one
-- (it is dead: the caller holds the lock of its source and entity), a failed one of the
-- same Airflow run, or the entity's latest when it failed for a passing reason. One that a
-- guard stopped is gone on with only by a sync that overrides that guard, while what it
-- saw is fresh and no later one of its mode has dropped it; else the source is asked anew.
-- Returns one row or none. Reads only.
SELECT j.*
FROM ops.sync_jobs AS j
WHERE j.source_system = %(source_system)s
    AND j.entity_type = %(entity_type)s
    AND j.job_type = %(job_type)s
    AND j.via = %(via)s
    AND j.arguments = %(arguments)s
    AND (
        j.status IN ('pending', 'running', 'waiting')
        OR (
            j.status = 'failed'
            AND j.guard IS NULL
            AND j.dag_id = %(dag_id)s
            AND j.run_id = %(run_id)s
        )
        OR (
            j.status = 'failed'
            AND j.guard = ANY(%(overrides)s)
            AND j.completed_at > clock_timestamp() - interval '1 day'
            AND NOT EXISTS (
                SELECT FROM ops.sync_jobs AS later
                WHERE later.source_system = j.source_system
                    AND later.entity_type = j.entity_type
                    AND later.job_type = j.job_type
                    AND later.via = j.via
                    AND later.id > j.id
            )
        )
        OR (
            j.status = 'failed'
            AND j.error_type = ANY(%(resumable)s)
            AND NOT EXISTS (
                SELECT FROM ops.sync_jobs AS later
                WHERE later.source_system = j.source_system
                    AND later.entity_type = j.entity_type
                    AND later.id > j.id
            )
        )
    )
ORDER BY j.id DESC
LIMIT 1
