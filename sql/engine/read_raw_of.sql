-- What raw.{table} holds of some records, deleted ones included. Reads only.
-- Returns source_id, payload (text), payload_bytes, fetched_at.
SELECT source_id, payload::text AS payload, payload_bytes, fetched_at
FROM raw.{table}
WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s)
