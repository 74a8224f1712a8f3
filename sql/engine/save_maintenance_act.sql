-- Write what one act of a round did. Returns nothing.
INSERT INTO ops.maintenance_acts (
    maintenance_run_id, act, source_system, found, done, details, duration_seconds,
    error
)
VALUES (
    %(maintenance_run_id)s, %(act)s, %(source_system)s, %(found)s, %(done)s,
    %(details)s, %(duration_seconds)s, %(error)s
)
