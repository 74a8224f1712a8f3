-- Keep one delivery. Returns nothing; counts one row when it is new, none when the very
-- same one was there. An id that is taken is an error: it tells of another delivery. Safe
-- to repeat: the same delivery is kept once. Does not notify: every commit that does
-- waits for every other one.
INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_system, replay_key) DO NOTHING
