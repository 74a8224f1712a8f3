-- Delete deliveries that are older than ops.retention says; never one that is pending or
-- has events left. At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM staging.webhook_deliveries WHERE id IN (
        SELECT d.id FROM staging.webhook_deliveries AS d
        JOIN ops.retention AS r ON r.name = 'webhook_deliveries'
        WHERE d.state <> 'pending'
            AND d.exploded_at < clock_timestamp() - make_interval(days => r.days)
            AND NOT EXISTS (
                SELECT FROM staging.webhook_events AS e WHERE e.delivery_id = d.id
            )
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
