-- Webhook events, latest first, without what they say of people. {filter}: a condition on
-- e and d (engine/inbox_choice.py). Reads only, and no column that holds values.
-- Returns at most %(limit)s rows: id, delivery_id, position, source_system, entity_type,
-- object_id, event_type, occurred_at, received_at, state, reason, job_id, settled_at,
-- request_id.
SELECT
    e.id, e.delivery_id, e.position, e.source_system, e.entity_type, e.object_id,
    e.event_type, e.occurred_at, d.received_at, e.state, e.reason, e.job_id,
    e.settled_at, d.request_id
FROM staging.webhook_events AS e
LEFT JOIN staging.webhook_deliveries AS d ON d.id = e.delivery_id
WHERE {filter}
ORDER BY e.id DESC
LIMIT %(limit)s
