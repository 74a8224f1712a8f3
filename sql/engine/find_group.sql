-- Ids that redirects and merge events lead to from these. %(ids)s: source ids.
-- Returns source_id, theirs included. Reads only: one step; the caller repeats it.
SELECT unnest(%(ids)s::text[]) AS source_id
UNION
SELECT survivor_source_id
FROM warehouse.merged_records
WHERE source_system = %(source_system)s
    AND unified_table = %(unified_table)s
    AND source_id = ANY(%(ids)s)
UNION
SELECT source_id
FROM warehouse.merged_records
WHERE source_system = %(source_system)s
    AND unified_table = %(unified_table)s
    AND survivor_source_id = ANY(%(ids)s)
UNION
SELECT merged_into
FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
    AND merged_into IS NOT NULL
    AND state NOT IN ('failed', 'discarded')
UNION
SELECT object_id
FROM staging.webhook_events
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND merged_into = ANY(%(ids)s)
    AND merged_into IS NOT NULL
    AND state NOT IN ('failed', 'discarded')
