-- Webhook deliveries of a source whose events are not known yet, oldest first: at most
-- %(limit)s, none newer than %(newest)s, and no more after %(max_bytes)s of their bodies.
-- Returns id, body, content_type, replay_key. Reads only.
SELECT id, body, content_type, replay_key
FROM (
    SELECT
        id, body, content_type, replay_key,
        sum(body_bytes) OVER (ORDER BY id) - body_bytes AS before
    FROM (
        SELECT id, body, content_type, replay_key, body_bytes
        FROM staging.webhook_deliveries
        WHERE source_system = %(source_system)s AND state = 'pending'
            AND id <= %(newest)s::bigint
        ORDER BY id
        LIMIT %(limit)s
    ) AS oldest
) AS counted
WHERE before < %(max_bytes)s
ORDER BY id
