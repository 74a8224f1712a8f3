-- Point rows of warehouse.{table} that name a merged record of warehouse.{parents} at its
-- survivor. {parent_id}, {parent_source_id}: their columns for it. %(losers)s and
-- %(survivors)s: as of save_redirects.sql.
-- Returns nothing. Safe to repeat: afterwards no row names a merged record, and what is
-- merged later comes with the survivor's id (merge_rows.sql). The caller holds the links
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
    SELECT c.id, m.survivor, m.survivor_id
    FROM merged AS m
    JOIN warehouse.{table} AS c ON c.{parent_id} = m.loser_id
    UNION
    SELECT c.id, m.survivor, m.survivor_id
    FROM merged AS m
    JOIN warehouse.{table} AS c
        ON c.source_system = %(source_system)s AND c.{parent_source_id} = m.loser
        AND c.{parent_id} IS NULL
)
UPDATE warehouse.{table} AS child SET
    {parent_id} = moved.survivor_id,
    {parent_source_id} = moved.survivor,
    job_id = %(job_id)s,
    updated_at = clock_timestamp(),
    last_synced = clock_timestamp()
FROM moved
WHERE child.id = moved.id
