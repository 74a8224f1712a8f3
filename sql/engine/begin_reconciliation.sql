-- Begin the comparison that a job makes. Returns nothing. Safe to repeat: a job that is
-- resumed goes on with its own.
INSERT INTO ops.reconciliations (job_id, source_system, entity_type, extent, repair)
SELECT id, source_system, entity_type, %(extent)s, %(repair)s
FROM ops.sync_jobs WHERE id = %(job_id)s
ON CONFLICT (job_id) DO NOTHING
