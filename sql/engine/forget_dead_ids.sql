-- Drop the ids of an entity's failed jobs of one mode, and their checkpoints, which are
-- worth nothing without them: such a job is not resumed any more.
-- Returns nothing. Safe to repeat.
WITH dead AS (
    UPDATE ops.sync_jobs SET checkpoint = NULL
    WHERE source_system = %(source_system)s
        AND entity_type = %(entity_type)s
        AND job_type = %(job_type)s
        AND via = %(via)s
        AND status = 'failed'
        AND checkpoint IS NOT NULL
    RETURNING id
)
DELETE FROM ops.sync_job_ids AS i USING dead WHERE i.job_id = dead.id
