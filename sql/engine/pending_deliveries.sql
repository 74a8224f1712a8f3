-- Webhook deliveries of a source whose events are not known yet, oldest first.
-- Returns id, body: at most %(limit)s. Reads only.
SELECT id, body
FROM staging.webhook_deliveries
WHERE source_system = %(source_system)s AND state = 'pending'
ORDER BY id
LIMIT %(limit)s
