-- How many webhook events there are by source, state and reason, and since when.
-- {filter}: a condition on e and d (engine/inbox_choice.py). Reads only.
-- Returns one row each: count, source_system, state, reason, oldest (arrival of the
-- delivery with the smallest number), age_seconds, the longest waiting first.
SELECT
    g.count, g.source_system, g.state, g.reason, o.received_at AS oldest,
    extract(epoch FROM clock_timestamp() - o.received_at)::float8 AS age_seconds
FROM (
    SELECT
        count(*) AS count, e.source_system, e.state, e.reason,
        min(e.delivery_id) AS first
    FROM staging.webhook_events AS e
    LEFT JOIN staging.webhook_deliveries AS d ON d.id = e.delivery_id
    WHERE {filter}
    GROUP BY e.source_system, e.state, e.reason
) AS g
JOIN staging.webhook_deliveries AS o ON o.id = g.first
ORDER BY g.state <> 'pending', g.count DESC, g.source_system, g.state, g.reason
