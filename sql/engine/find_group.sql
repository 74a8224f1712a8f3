-- All ids of one person or thing: the record, those merged into it, and the one that it
-- was merged into with all of its. Returns source_id, in order. Reads only.
WITH last AS (
    SELECT coalesce(
        (
            SELECT survivor_source_id FROM warehouse.merged_records
            WHERE source_system = %(source_system)s
                AND unified_table = %(unified_table)s
                AND source_id = %(source_id)s
        ),
        %(source_id)s
    ) AS source_id
)
SELECT source_id FROM last
UNION
SELECT m.source_id
FROM warehouse.merged_records AS m
JOIN last ON m.survivor_source_id = last.source_id
WHERE m.source_system = %(source_system)s AND m.unified_table = %(unified_table)s
ORDER BY 1
