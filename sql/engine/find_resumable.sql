-- The job that a sync goes on with, if any, with the same arguments: an unfinished one
-- (it is dead: the caller holds the lock of its source and entity), a failed one of the
-- same Airflow run, or the entity's latest of its mode when it failed for a passing reason:
-- an incremental one while no full load brought what it should have, a full one while what
-- it saw is fresh, or when %(only)s names it. One that a guard stopped is gone on with only
-- by a sync that overrides that guard, while what it saw is fresh and no later one of its
-- mode has dropped it; else the source is asked anew. Returns one row or none. Reads only.
SELECT j.*
FROM ops.sync_jobs AS j
WHERE j.source_system = %(source_system)s
    AND j.entity_type = %(entity_type)s
    AND j.job_type = %(job_type)s
    AND j.via = %(via)s
    AND j.arguments = %(arguments)s
    -- Without the ids of its chunks it would count their records twice.
    AND (
        j.chunks = 0
        OR EXISTS (SELECT FROM ops.sync_job_ids AS i WHERE i.job_id = j.id)
    )
    -- A quarantine changes behind a reprocessing that lies still; beginning anew is cheap.
    AND (
        j.job_type <> 'reprocess'
        OR j.heartbeat_at > clock_timestamp() - interval '1 hour'
    )
    -- What a source listed days ago proves nothing of today.
    AND (
        j.job_type <> 'reconcile'
        OR j.heartbeat_at > clock_timestamp() - interval '2 days'
    )
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
            AND (
                j.job_type NOT IN ('full', 'reconcile')
                OR j.id = %(only)s
                OR j.completed_at > clock_timestamp() - interval '1 day'
            )
            AND NOT EXISTS (
                SELECT FROM ops.sync_jobs AS later
                WHERE later.source_system = j.source_system
                    AND later.entity_type = j.entity_type
                    AND later.id > j.id
                    AND (
                        (later.job_type = j.job_type AND later.via = j.via)
                        OR (
                            j.job_type = 'incremental'
                            AND later.job_type = 'full'
                            AND later.via = j.via
                            AND later.status IN ('success', 'partial')
                        )
                    )
            )
        )
    )
ORDER BY j.id DESC
LIMIT 1
