-- Remember ids of an entity under which nothing is stored any more. Returns nothing.
-- Safe to repeat: an id keeps the time at which it was erased first.
INSERT INTO ops.erased_records (source_system, entity_type, source_id, reason)
SELECT %(source_system)s, %(entity_type)s, t.source_id, %(reason)s
FROM unnest(%(ids)s::text[]) AS t (source_id)
ON CONFLICT (source_system, entity_type, source_id) DO NOTHING
