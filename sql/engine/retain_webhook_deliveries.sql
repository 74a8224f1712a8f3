-- Delete deliveries that are older than ops.retention says; never one that is pending or
-- has events left. At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM staging.webhook_deliveries
    WHERE state <> 'pending'
        AND id = ANY(
            ARRAY(  -- in order, and as an array, so that indexes are used
                SELECT d.id FROM staging.webhook_deliveries AS d
                WHERE d.state <> 'pending'
                    AND d.exploded_at < (
                        SELECT now() - make_interval(days => r.days)
                        FROM ops.retention AS r WHERE r.name = 'webhook_deliveries'
                    )
                    AND NOT EXISTS (
                        SELECT FROM staging.webhook_events AS e WHERE e.delivery_id = d.id
                    )
                ORDER BY d.exploded_at
                LIMIT %(limit)s
            )
        )
    RETURNING 1
)
SELECT count(*) FROM gone
