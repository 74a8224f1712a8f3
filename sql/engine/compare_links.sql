-- Compare the parents that the chunk's records list with link table warehouse.{table}; the
-- survivor stands for a parent that was merged, nobody for one that was erased.
-- {children}, {child_source_id}, {parents}, {parent_source_id}: the unified tables and
-- their columns here; {raw_table}: the entity's; {listed}: the chunk's column. Returns one
-- row for each record and kind of difference: source_id, reason, fields. Reads only.
WITH live AS (
    SELECT c.source_id, c.{listed} AS list
    FROM chunk AS c
    JOIN LATERAL (
        SELECT * FROM raw.{raw_table} AS t
        WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
        LIMIT 1
    ) AS r ON NOT r.is_deleted AND r.fetched_at <= c.observed_at
    JOIN LATERAL (
        SELECT * FROM warehouse.{children} AS t
        WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
        LIMIT 1
    ) AS w ON NOT w.is_deleted
    WHERE NOT c.rejected
),
listed AS (
    SELECT
        source_id, coalesce(m.survivor_source_id, link.value ->> 0) AS parent,
        link.value ->> 1 AS type, min(link.position)::integer AS position
    FROM live
    CROSS JOIN LATERAL jsonb_array_elements(list) WITH ORDINALITY
        AS link (value, position)
    LEFT JOIN LATERAL (
        SELECT r.survivor_source_id FROM warehouse.merged_records AS r
        WHERE r.source_system = %(source_system)s AND r.unified_table = {parents}
            AND r.source_id = link.value ->> 0
        LIMIT 1
    ) AS m ON true
    WHERE NOT EXISTS (
        SELECT FROM ops.erased_records AS e
        WHERE e.source_system = %(source_system)s
            AND e.source_id = coalesce(m.survivor_source_id, link.value ->> 0)
            AND {parents} = ANY(e.unified_tables)
    )
    GROUP BY 1, 2, 3
),
held AS (
    SELECT live.source_id, t.{parent_source_id} AS parent, t.type, t.position
    FROM live
    JOIN LATERAL (
        SELECT * FROM warehouse.{table} AS each
        WHERE each.source_system = %(source_system)s
            AND each.{child_source_id} = live.source_id
    ) AS t ON true
)
SELECT DISTINCT source_id, 'link_missing' AS reason, ARRAY[{parents}::text] AS fields
FROM (SELECT * FROM listed EXCEPT SELECT * FROM held) AS missing
UNION ALL
SELECT DISTINCT source_id, 'link_extra', ARRAY[{parents}::text]
FROM (SELECT * FROM held EXCEPT SELECT * FROM listed) AS extra
