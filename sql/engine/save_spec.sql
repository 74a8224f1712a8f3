-- Keep the definition that a job runs with; that of one by API also stays when others come
-- by other ways. Returns nothing. Safe to repeat.
INSERT INTO ops.source_specs AS s (source_system, entity_type, spec, api_spec, job_id)
VALUES (
    %(source_system)s,
    %(entity_type)s,
    %(spec)s,
    CASE WHEN %(via)s = 'api' THEN %(spec)s::jsonb END,
    %(job_id)s
)
ON CONFLICT (source_system, entity_type) DO UPDATE SET
    spec = excluded.spec,
    api_spec = coalesce(excluded.api_spec, s.api_spec),
    job_id = excluded.job_id,
    used_at = clock_timestamp()
