-- Note that the inbox was looked through for erased records. %(entities)s and %(ids)s:
-- entity and source id of each, in the same order. Returns nothing. Safe to repeat.
UPDATE ops.erased_records AS e SET redacted_at = clock_timestamp()
FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS t (entity_type, source_id)
WHERE e.source_system = %(source_system)s
    AND e.entity_type = t.entity_type AND e.source_id = t.source_id
    AND e.redacted_at IS NULL
