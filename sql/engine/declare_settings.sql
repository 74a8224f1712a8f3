-- Make sure that the entity has a row in ops.sync_configurations, with its schedule.
-- Returns nothing. Safe to repeat: only a changed schedule is written.
INSERT INTO ops.sync_configurations AS c (name, source_system, entity_type, schedule)
VALUES (%(name)s, %(source_system)s, %(entity_type)s, %(schedule)s)
ON CONFLICT (source_system, entity_type) DO UPDATE SET
    schedule = excluded.schedule,
    updated_at = clock_timestamp()
WHERE c.schedule IS DISTINCT FROM excluded.schedule
