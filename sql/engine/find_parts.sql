-- Records of warehouse.{table} that are part of some of warehouse.{parents}. {parent_id},
-- {parent_source_id}: their columns for them; %(ids)s: source ids of these.
-- Returns source_id. Reads only.
SELECT c.source_id
FROM warehouse.{parents} AS p
JOIN warehouse.{table} AS c ON c.{parent_id} = p.id
WHERE p.source_system = %(source_system)s AND p.source_id = ANY(%(ids)s)
UNION
SELECT c.source_id
FROM warehouse.{table} AS c
WHERE c.source_system = %(source_system)s AND c.{parent_source_id} = ANY(%(ids)s)
    AND c.{parent_id} IS NULL
