-- Let rows of warehouse.{table} name no erased record of warehouse.{parents} any more.
-- {parent_id}, {parent_source_id}: their columns for it; {heir}: who takes its place, the
-- first of those that are still linked. Returns nothing.
-- Safe to repeat: only rows that name one are written.
WITH found AS MATERIALIZED (
    SELECT c.id
    FROM warehouse.{parents} AS p
    JOIN warehouse.{table} AS c ON c.{parent_id} = p.id
    WHERE p.source_system = %(source_system)s AND p.source_id = ANY(%(ids)s)
    UNION
    SELECT c.id
    FROM warehouse.{table} AS c
    WHERE c.source_system = %(source_system)s AND c.{parent_source_id} = ANY(%(ids)s)
        AND c.{parent_id} IS NULL
)
UPDATE warehouse.{table} AS child SET
    ({parent_id}, {parent_source_id}) = ({heir}),
    job_id = coalesce(%(job_id)s, child.job_id),
    updated_at = clock_timestamp(),
    last_synced = clock_timestamp()
FROM found
WHERE child.id = found.id
