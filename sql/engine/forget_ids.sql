-- Drop the ids of a job that ended. Returns nothing. Safe to repeat.
DELETE FROM ops.sync_job_ids WHERE job_id = %(job_id)s
