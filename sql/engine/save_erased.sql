-- Remember ids of an entity under which nothing is stored any more, and that the inbox is
-- to be looked through for them. Returns nothing.
-- Safe to repeat: an id keeps the time at which it was erased first, and why.
INSERT INTO ops.erased_records AS e (
    source_system, entity_type, source_id, unified_tables, reason
)
SELECT %(source_system)s, %(entity_type)s, t.source_id, %(unified_tables)s, %(reason)s
FROM unnest(%(ids)s::text[]) AS t (source_id)
ON CONFLICT (source_system, entity_type, source_id) DO UPDATE SET redacted_at = NULL
