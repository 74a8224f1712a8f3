-- Which of these events are about records that were erased. %(entities)s and %(ids)s:
-- entity and source id of each, in the same order. Returns entity_type, source_id.
-- Reads only.
SELECT DISTINCT e.entity_type, e.source_id
FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS t (entity_type, source_id)
JOIN ops.erased_records AS e
    ON e.source_system = %(source_system)s
    AND e.entity_type = t.entity_type AND e.source_id = t.source_id
