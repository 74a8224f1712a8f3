-- Whether a full load of an entity that was due at %(due)s never began: its run failed
-- before there was a job, or was skipped. One that began and failed is for maintenance, or
-- for whoever reads why; an entity that was not loaded before owes none. Jobs of the run
-- that asks do not count: asked again, it gets the same answer. Nor do those of another way
-- in: each has its own schedule.
-- Returns one row: owed. Reads only.
SELECT
    EXISTS (
        SELECT FROM ops.sync_jobs
        WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
            AND via = %(via)s AND started_at < %(due)s
    )
    AND NOT EXISTS (
        SELECT FROM ops.sync_jobs
        WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
            AND via = %(via)s AND job_type = 'full'
            AND (
                completed_at >= %(due)s
                OR status IN ('pending', 'running', 'waiting')
            )
            AND (dag_id, run_id) IS DISTINCT FROM (%(dag_id)s, %(run_id)s)
    ) AS owed
