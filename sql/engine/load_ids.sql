-- Keys that a job saw before it was interrupted. Returns one row each. Reads only.
SELECT unnest(ids) FROM ops.sync_job_ids WHERE job_id = %(job_id)s
