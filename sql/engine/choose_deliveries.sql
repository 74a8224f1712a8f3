-- Webhook deliveries to be replayed or discarded, by number, behind %(after)s. {filter}:
-- a condition on d (engine/inbox_choice.py). Reads only.
-- Returns at most %(limit)s rows: id, source_system, state, and the body of a pending one
-- if %(with_body)s.
SELECT
    d.id, d.source_system, d.state,
    CASE WHEN %(with_body)s AND d.state = 'pending' THEN d.body END AS body
FROM staging.webhook_deliveries AS d
WHERE {filter} AND d.id > %(after)s
ORDER BY d.id
LIMIT %(limit)s
