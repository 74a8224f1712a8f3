-- Deliveries of a source system, at most %(limit)s with ids behind %(after)s.
-- Returns id, body, content_type, in order. Reads only.
SELECT id, body, content_type
FROM staging.webhook_deliveries
WHERE source_system = %(source_system)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
