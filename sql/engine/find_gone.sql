-- Of records of the chunk that say that they were deleted in the source, those that raw.{table}
-- holds as they came, and as living: a later state is not undone by them.
-- %(ids)s: their source ids. Returns one row each: source_id. Reads only.
SELECT c.source_id
FROM chunk AS c
JOIN LATERAL (
    SELECT * FROM raw.{table} AS t
    WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
    LIMIT 1
) AS r ON NOT r.is_deleted AND (%(stored)s OR r.payload_hash = c.payload_hash)
WHERE c.source_id = ANY(%(ids)s)
