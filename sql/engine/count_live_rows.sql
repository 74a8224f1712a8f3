-- How many of some records have a live row in warehouse.{table}. Returns one row.
-- Reads only.
SELECT count(*) FROM warehouse.{table}
WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s) AND NOT is_deleted
