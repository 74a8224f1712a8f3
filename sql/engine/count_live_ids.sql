-- How many of these records of raw.{table} live. Returns one row. Reads only.
SELECT count(*) FROM raw.{table}
WHERE source_system = %(source_system)s
    AND source_id = ANY(%(ids)s)
    AND NOT is_deleted
