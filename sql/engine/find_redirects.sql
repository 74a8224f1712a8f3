-- Which of these records were merged, and into which. %(ids)s: source ids.
-- Returns source_id, survivor_source_id. Reads only; costs next to nothing while no
-- record of the table was.
SELECT source_id, survivor_source_id
FROM warehouse.merged_records
WHERE source_system = %(source_system)s
    AND unified_table = %(unified_table)s
    AND source_id = ANY(%(ids)s)
    AND EXISTS (
        SELECT FROM warehouse.merged_records
        WHERE source_system = %(source_system)s AND unified_table = %(unified_table)s
    )
