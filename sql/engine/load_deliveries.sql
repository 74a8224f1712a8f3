-- The deliveries %(deliveries)s as they are now. Returns id, body. Reads only; the caller
-- holds the inbox (lock_rows.sql), so that nobody else redacts them.
SELECT id, body
FROM staging.webhook_deliveries
WHERE id = ANY(%(deliveries)s)
ORDER BY id
