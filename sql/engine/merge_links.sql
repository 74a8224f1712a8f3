-- Make the links of the chunk's written records in warehouse.{table} what their lists
-- say: links that are no longer listed go, new ones come, moved ones move. In place of a
-- parent that was merged the survivor is linked; one that was erased is not.
-- {children}, {child_id}, {child_source_id}: the unified table and its columns here;
-- {parents}, {parents_name}, {parent_id}, {parent_source_id}: likewise; {listed}: the chunk's column.
-- %(written)s: source ids of the records that the merge of their rows wrote.
-- Returns nothing. Safe to repeat: equal links are not written.
WITH listed AS (
    SELECT c.source_id, coalesce(m.survivor_source_id, link.value ->> 0) AS parent,
        link.value ->> 1 AS type, min(link.position) AS position
    FROM chunk AS c
    CROSS JOIN LATERAL jsonb_array_elements(c.{listed}) WITH ORDINALITY
        AS link (value, position)
    LEFT JOIN LATERAL (
        SELECT r.survivor_source_id FROM warehouse.merged_records AS r
        WHERE r.source_system = %(source_system)s AND r.unified_table = {parents_name}
            AND r.source_id = link.value ->> 0
        LIMIT 1
    ) AS m ON true
    WHERE c.source_id = ANY(%(written)s)
        AND NOT EXISTS (
            SELECT FROM ops.erased_records AS e
            WHERE e.source_system = %(source_system)s
                AND e.source_id = coalesce(m.survivor_source_id, link.value ->> 0)
                AND {parents_name} = ANY(e.unified_tables)
        )
    GROUP BY 1, 2, 3
),
gone AS (
    DELETE FROM warehouse.{table} AS t
    WHERE t.source_system = %(source_system)s
        AND t.{child_source_id} = ANY(%(written)s)
        AND NOT EXISTS (
            SELECT FROM listed AS l
            WHERE l.source_id = t.{child_source_id}
                AND l.parent = t.{parent_source_id} AND l.type = t.type
        )
)
INSERT INTO warehouse.{table} AS t (
    source_system, {child_source_id}, {parent_source_id}, type, position, {child_id},
    {parent_id}, job_id
)
SELECT
    %(source_system)s, l.source_id, l.parent, l.type, l.position, child.id, parent.id,
    %(job_id)s
FROM listed AS l
JOIN warehouse.{children} AS child
    ON child.source_system = %(source_system)s AND child.source_id = l.source_id
LEFT JOIN LATERAL (
    SELECT p.id FROM warehouse.{parents} AS p
    WHERE p.source_system = %(source_system)s AND p.source_id = l.parent
    LIMIT 1
) AS parent ON true
ON CONFLICT (source_system, {child_source_id}, {parent_source_id}, type) DO UPDATE SET
    position = excluded.position,
    job_id = excluded.job_id,
    updated_at = clock_timestamp()
WHERE t.position <> excluded.position
