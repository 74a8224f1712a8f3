-- All deliveries of a source system, in order. Returns id, body. Reads only.
SELECT id, body
FROM staging.webhook_deliveries
WHERE source_system = %(source_system)s
ORDER BY id
