-- One batch of live records of raw.{table} behind %(after)s, by id, with what their payloads
-- say of associations. Returns source_id, associations (jsonb, NULL where there are none).
-- Reads only.
SELECT source_id, payload -> 'associations' AS associations
FROM raw.{table}
WHERE source_system = %(source_system)s AND NOT is_deleted AND source_id > %(after)s
ORDER BY source_id
LIMIT %(limit)s
