-- Webhook deliveries, latest first, without their bodies. {filter}: a condition on d
-- (engine/inbox_choice.py). Reads only, and no column that holds values.
-- Returns at most %(limit)s rows: id, source_system, received_at, request_id,
-- content_type, body_bytes, state, reason, exploded_at, events, pending, failed (how many
-- events it has, and how many of them are in these states).
SELECT
    d.id, d.source_system, d.received_at, d.request_id, d.content_type, d.body_bytes,
    d.state, d.error_message AS reason, d.exploded_at, c.events, c.pending, c.failed
FROM (
    SELECT
        d.id, d.source_system, d.received_at, d.request_id, d.content_type,
        d.body_bytes, d.state, d.error_message, d.exploded_at
    FROM staging.webhook_deliveries AS d
    WHERE {filter}
    ORDER BY d.id DESC
    LIMIT %(limit)s
) AS d
CROSS JOIN LATERAL (
    SELECT
        count(*) AS events,
        count(*) FILTER (WHERE e.state = 'pending') AS pending,
        count(*) FILTER (WHERE e.state = 'failed') AS failed
    FROM staging.webhook_events AS e
    WHERE e.delivery_id = d.id
) AS c
ORDER BY d.id DESC
