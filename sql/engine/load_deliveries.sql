-- The deliveries %(deliveries)s as they are now. Returns id, body, content_type,
-- replay_key. Reads only; who redacts them holds the inbox (lock_rows.sql), so that
-- nobody else does.
SELECT id, body, content_type, replay_key
FROM staging.webhook_deliveries
WHERE id = ANY(%(deliveries)s)
ORDER BY id
