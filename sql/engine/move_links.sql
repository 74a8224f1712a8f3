-- Point links of warehouse.{table} to a merged record of warehouse.{parents} at its
-- survivor; of two links of one kind that become the same the first stays.
-- {child_id}, {child_source_id}, {parent_id}, {parent_source_id}: columns of the two
-- ends. %(losers)s and %(survivors)s: as of save_redirects.sql.
-- Returns nothing. Safe to repeat: afterwards no link names a merged record, and what is
-- merged later comes with the survivor's id (merge_links.sql). The caller holds the links
-- of the table (lock_links.sql).
WITH merged AS MATERIALIZED (
    SELECT t.loser, t.survivor, l.id AS loser_id, s.id AS survivor_id
    FROM unnest(%(losers)s::text[], %(survivors)s::text[]) AS t (loser, survivor)
    LEFT JOIN warehouse.{parents} AS l
        ON l.source_system = %(source_system)s AND l.source_id = t.loser
    LEFT JOIN warehouse.{parents} AS s
        ON s.source_system = %(source_system)s AND s.source_id = t.survivor
),
moved AS MATERIALIZED (
    SELECT c.{child_source_id} AS child, m.*
    FROM merged AS m
    JOIN warehouse.{table} AS c ON c.{parent_id} = m.loser_id
    UNION
    SELECT c.{child_source_id}, m.*
    FROM merged AS m
    JOIN warehouse.{table} AS c
        ON c.source_system = %(source_system)s AND c.{parent_source_id} = m.loser
        AND c.{parent_id} IS NULL
),
taken AS (
    DELETE FROM warehouse.{table} AS t
    USING moved
    WHERE t.source_system = %(source_system)s
        AND t.{child_source_id} = moved.child
        AND t.{parent_source_id} = moved.loser
    RETURNING t.*, moved.survivor, moved.survivor_id
)
INSERT INTO warehouse.{table} AS t (
    source_system, {child_source_id}, {parent_source_id}, type, position, {child_id},
    {parent_id}, job_id, created_at
)
SELECT DISTINCT ON (k.{child_source_id}, k.survivor, k.type)
    %(source_system)s, k.{child_source_id}, k.survivor, k.type, k.position, k.{child_id},
    k.survivor_id, %(job_id)s, k.created_at
FROM taken AS k
ORDER BY k.{child_source_id}, k.survivor, k.type, k.position
ON CONFLICT (source_system, {child_source_id}, {parent_source_id}, type) DO UPDATE SET
    position = least(t.position, excluded.position),
    job_id = excluded.job_id,
    updated_at = clock_timestamp()
