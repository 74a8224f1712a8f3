-- One job. Returns its row, or none. Reads only.
SELECT * FROM ops.sync_jobs WHERE id = %(job_id)s
