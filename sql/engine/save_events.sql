-- Write the events of some deliveries. %(events)s: a JSON list of objects with the
-- columns below. Returns nothing. Safe to repeat: an event that is known is not written;
-- where its row failed, for a setting was wrong then, that row is judged as this one is.
-- What was discarded stays so, and what values were taken out of is not touched.
INSERT INTO staging.webhook_events AS known (
    delivery_id, position, source_system, entity_type, object_id, event_type, event_id,
    occurred_at, payload, dedupe_key, state, reason, settled_at, merged_into,
    redacted_at
)
SELECT
    e.delivery_id, e.position, %(source_system)s, e.entity_type, e.object_id,
    e.event_type, e.event_id, e.occurred_at, e.payload, e.dedupe_key, e.state, e.reason,
    CASE WHEN e.state <> 'pending' THEN clock_timestamp() END, e.merged_into,
    CASE WHEN e.redacted THEN clock_timestamp() END
FROM (
    -- No row is judged twice by one statement.
    SELECT DISTINCT ON (dedupe_key) *
    FROM jsonb_to_recordset(%(events)s) AS sent (
        delivery_id bigint, position integer, entity_type text, object_id text,
        event_type text, event_id text, occurred_at timestamptz, payload jsonb,
        dedupe_key text, state text, reason text, merged_into text,
        redacted boolean
    )
    ORDER BY dedupe_key, delivery_id, position
) AS e
ORDER BY e.delivery_id, e.position
ON CONFLICT ON CONSTRAINT webhook_events_once DO UPDATE SET
    state = excluded.state,
    reason = excluded.reason,
    settled_at = excluded.settled_at
WHERE known.state = 'failed' AND known.redacted_at IS NULL AND excluded.state <> 'failed'
