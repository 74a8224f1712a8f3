-- Drop deliveries that came before, unchanged, and were redacted since: their replay keys
-- are hidden, and receivers cannot know them. %(hidden)s: a JSON list of objects with the
-- id of a pending delivery and its replay key as it would be hidden.
-- Returns id of each. Safe to repeat: touches nothing that was ever taken apart, nor the
-- delivery that came first. The caller holds the inbox (lock_rows.sql).
DELETE FROM staging.webhook_deliveries AS d
USING jsonb_to_recordset(%(hidden)s) AS t (id bigint, replay_key text)
WHERE d.id = t.id
    AND d.state = 'pending'
    AND EXISTS (
        SELECT FROM staging.webhook_deliveries AS first
        WHERE first.source_system = d.source_system AND first.replay_key = t.replay_key
    )
    AND NOT EXISTS (SELECT FROM staging.webhook_events AS e WHERE e.delivery_id = d.id)
RETURNING d.id
