-- Which of the deliveries %(deliveries)s are pending still: another may be discarded by now.
-- Returns id; replayed: it has events from an earlier time. Reads only; the caller holds
-- the inbox (lock_rows.sql), as does whoever replays or discards.
SELECT
    d.id,
    EXISTS (SELECT FROM staging.webhook_events AS e WHERE e.delivery_id = d.id) AS replayed
FROM staging.webhook_deliveries AS d
WHERE d.id = ANY(%(deliveries)s) AND d.state = 'pending'
