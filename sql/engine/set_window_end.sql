-- Fix the window's end, once, at the source's clock. Returns its row, or none.
-- Safe to repeat: an end that is set stays.
UPDATE ops.sync_jobs SET window_end = coalesce(window_end, %(window_end)s)
WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'
RETURNING *
