-- Begin the comparison that a job makes. Returns nothing. Safe to repeat: a job that is
-- resumed goes on with its own. A sweep does not learn how many the source has.
INSERT INTO ops.reconciliations (
    job_id, source_system, entity_type, extent, repair, in_source
)
SELECT
    id, source_system, entity_type, %(extent)s, %(repair)s,
    CASE WHEN %(extent)s = 'records' THEN 0 END
FROM ops.sync_jobs WHERE id = %(job_id)s
ON CONFLICT (job_id) DO NOTHING
