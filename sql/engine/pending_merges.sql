-- What pending events say of merges. %(ids)s: records that the source does not have
-- under these ids. Returns source id, id of the record that took its place. Reads only.
SELECT object_id, merged_into
FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
    AND merged_into IS NOT NULL
ORDER BY id
