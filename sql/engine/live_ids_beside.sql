-- Some records of raw.{table} that live and are not among %(ids)s.
-- Returns one row each: source_id; %(limit)s at most. Reads only.
SELECT source_id FROM raw.{table}
WHERE source_system = %(source_system)s
    AND NOT is_deleted
    AND NOT source_id = ANY(%(ids)s)
LIMIT %(limit)s
