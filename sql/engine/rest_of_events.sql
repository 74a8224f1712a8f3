-- Numbers of pending events of records, %(limit)s at most. %(ids)s: these records.
-- Returns id. Reads only, by the index of what is announced.
SELECT id FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
LIMIT %(limit)s
