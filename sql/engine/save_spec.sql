-- Keep the definition that a job runs with. Returns nothing. Safe to repeat.
INSERT INTO ops.source_specs AS s (source_system, entity_type, spec, job_id)
VALUES (%(source_system)s, %(entity_type)s, %(spec)s, %(job_id)s)
ON CONFLICT (source_system, entity_type) DO UPDATE SET
    spec = excluded.spec,
    job_id = excluded.job_id,
    used_at = clock_timestamp()
