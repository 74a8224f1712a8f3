-- Which records were merged into these. %(ids)s: source ids of survivors.
-- Returns source_id, survivor_source_id. Reads only.
SELECT source_id, survivor_source_id
FROM warehouse.merged_records
WHERE source_system = %(source_system)s
    AND unified_table = %(unified_table)s
    AND survivor_source_id = ANY(%(ids)s)
