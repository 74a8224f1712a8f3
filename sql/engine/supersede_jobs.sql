-- Fail dead jobs of an entity and mode that the new one does not resume. One of
-- another mode, such as a full load that waits for quota, stays to be resumed.
-- Returns their ids. Runs under the lock of the (source, entity), so all are dead.
UPDATE ops.sync_jobs SET
    status = 'failed',
    completed_at = clock_timestamp(),
    error_type = 'superseded',
    error_message = 'Died; a later job with other arguments began anew'
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND job_type = %(job_type)s
    AND via = %(via)s
    AND status IN ('pending', 'running', 'waiting')
    AND id IS DISTINCT FROM %(resumed_id)s
RETURNING id
