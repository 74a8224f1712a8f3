-- How many of these records have live rows in warehouse.{table}, and in how many of
-- those columns are filled ({filled}: one count for each). Returns one row. Reads only.
SELECT count(*) AS known, {filled}
FROM warehouse.{table}
WHERE source_system = %(source_system)s
    AND source_id = ANY(%(ids)s)
    AND NOT is_deleted
