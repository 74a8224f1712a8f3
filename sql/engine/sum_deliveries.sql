-- How many webhook deliveries there are by source, state and reason, and since when.
-- {filter}: a condition on d (engine/inbox_choice.py). Reads only.
-- Returns one row each: count, source_system, state, reason, oldest (the first arrival),
-- age_seconds.
SELECT
    count(*) AS count, d.source_system, d.state, d.error_message AS reason,
    min(d.received_at) AS oldest,
    extract(epoch FROM clock_timestamp() - min(d.received_at))::float8 AS age_seconds
FROM staging.webhook_deliveries AS d
WHERE {filter}
GROUP BY d.source_system, d.state, d.error_message
ORDER BY d.state <> 'pending', count DESC, d.source_system, d.state, d.error_message
