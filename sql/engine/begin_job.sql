-- Begin a new job. Returns its row.
-- Runs under the lock of its (source, entity), so there is never a second one.
INSERT INTO ops.sync_jobs (
    source_system, entity_type, job_type, via, status, arguments, overrides,
    triggered_by, dag_id, run_id, try_number, backend_pid, window_start, window_end
)
VALUES (
    %(source_system)s, %(entity_type)s, %(job_type)s, %(via)s, 'running',
    %(arguments)s, %(overrides)s, %(triggered_by)s, %(dag_id)s, %(run_id)s,
    %(try_number)s, pg_backend_pid(), %(window_start)s, %(window_end)s
)
RETURNING *
