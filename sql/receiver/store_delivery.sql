-- Keep one delivery, and wake whoever listens on crm_webhooks. Returns one row when it
-- is new, none when it was there. Safe to repeat: the same delivery is kept once.
-- The notice rides in the same statement instead of a trigger: it costs the same lock at
-- commit, no function call, and nothing is announced when nothing came.
WITH stored AS (
    INSERT INTO staging.webhook_deliveries (
        source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
    )
    VALUES (
        %(source_system)s, %(request_id)s, %(replay_key)s, %(content_type)s,
        %(headers)s, %(url)s, %(body)s, %(body_bytes)s
    )
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT pg_notify('crm_webhooks', '') FROM stored
