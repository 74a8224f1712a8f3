-- How many records of raw.{table} live. Returns one row. Reads only.
SELECT count(*) FROM raw.{table}
WHERE source_system = %(source_system)s AND NOT is_deleted
