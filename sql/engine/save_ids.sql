-- Keep the ids of a chunk until the job ends: they prove absences and repetitions.
-- Returns nothing. Part of the chunk's transaction, so never written twice.
INSERT INTO ops.sync_job_ids (job_id, chunk, ids)
VALUES (%(job_id)s, %(chunk)s, %(ids)s)
