-- Make sure that the entity has a row in ops.sync_configurations and read it.
-- Returns one row: config, is_active. Safe to repeat: only a changed schedule is
-- written.
WITH declared AS (
    INSERT INTO ops.sync_configurations AS c (
        name, source_system, entity_type, schedule
    )
    VALUES (%(name)s, %(source_system)s, %(entity_type)s, %(schedule)s)
    ON CONFLICT (source_system, entity_type) DO UPDATE SET
        schedule = excluded.schedule,
        updated_at = clock_timestamp()
    WHERE c.schedule IS DISTINCT FROM excluded.schedule
    RETURNING config, is_active
)
SELECT config, is_active FROM declared
UNION ALL
SELECT config, is_active FROM ops.sync_configurations
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
LIMIT 1
