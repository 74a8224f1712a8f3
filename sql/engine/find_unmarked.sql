-- Which of these records of raw.{table} live here, although the source archived them.
-- %(ids)s: archived ids; %(asked_at)s: since when they are known to be; what was observed
-- later lives. Returns their source ids, in order. Reads only.
SELECT source_id
FROM raw.{table}
WHERE source_system = %(source_system)s
    AND source_id = ANY(%(ids)s)
    AND NOT is_deleted
    AND fetched_at < %(asked_at)s
ORDER BY source_id
