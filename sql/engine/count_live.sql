-- How many records of raw.{table} live; counted up to %(most)s, NULL: to the end.
-- Returns one row. Reads only.
SELECT count(*)
FROM (
    SELECT FROM raw.{table}
    WHERE source_system = %(source_system)s AND NOT is_deleted
    LIMIT %(most)s::bigint
) AS live
