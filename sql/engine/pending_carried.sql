-- The longest pending webhook events of %(entities)s, each with its delivery, oldest first:
-- at most %(limit)s, so that a long queue costs no more than a short one.
-- Returns id, entity_type, delivery_id, position, received_at, body_bytes. Reads only.
SELECT
    e.id, e.entity_type, e.delivery_id, e.position, d.received_at, d.body_bytes
FROM (
    SELECT id, entity_type, delivery_id, position
    FROM staging.webhook_events
    WHERE source_system = %(source_system)s AND state = 'pending'
        AND entity_type = ANY(%(entities)s)
    ORDER BY id
    LIMIT %(limit)s
) AS e
JOIN staging.webhook_deliveries AS d ON d.id = e.delivery_id
ORDER BY e.id
