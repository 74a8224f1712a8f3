-- Merge events that name these records, also those that a release wrote which did not note
-- who took whose place. %(ids)s: source ids. Returns payload. Reads only.
SELECT payload
FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
    AND event_type LIKE '%%.merge'
    AND state NOT IN ('failed', 'discarded')
