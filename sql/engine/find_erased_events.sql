-- Which records with one of these ids were erased, of whatever entity. %(ids)s: source ids
-- that events name. Returns entity_type, source_id. Reads only.
SELECT entity_type, source_id
FROM ops.erased_records
WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s)
