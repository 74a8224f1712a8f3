-- Webhook events with all that is known of them: the one with the number %(id)s, or those
-- of the delivery %(delivery_id)s, in their order. What an event says is left out but for
-- the names of its fields; all of it only %(with_payload)s. Reads only.
-- Returns id, delivery_id, position, source_system, entity_type, object_id, event_type,
-- event_id, occurred_at, merged_into, dedupe_key, state, reason, is_gone, job_id,
-- created_at, settled_at, redacted_at, fields, payload.
SELECT
    e.id, e.delivery_id, e.position, e.source_system, e.entity_type, e.object_id,
    e.event_type, e.event_id, e.occurred_at, e.merged_into, e.dedupe_key, e.state,
    e.reason, e.is_gone, e.job_id, e.created_at, e.settled_at, e.redacted_at,
    ARRAY(
        SELECT k FROM jsonb_object_keys(
            CASE WHEN jsonb_typeof(e.payload) = 'object' THEN e.payload END
        ) AS k
        ORDER BY k
    ) AS fields,
    CASE WHEN %(with_payload)s THEN e.payload::text END AS payload
FROM staging.webhook_events AS e
WHERE e.id = %(id)s OR e.delivery_id = %(delivery_id)s
ORDER BY e.position, e.id
