-- Events about records of an entity. %(ids)s: their source ids. Returns id, payload.
-- Reads only; the caller holds the inbox (lock_rows.sql), so that none is added.
SELECT id, payload
FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
    AND (redacted_at IS NULL OR state = 'pending')
