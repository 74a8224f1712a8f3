-- Delete settled events that are older than ops.retention says; never a pending one.
-- At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM staging.webhook_events WHERE id IN (
        SELECT e.id FROM staging.webhook_events AS e
        JOIN ops.retention AS r ON r.name = 'webhook_events'
        WHERE e.state <> 'pending'
            AND e.settled_at < clock_timestamp() - make_interval(days => r.days)
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
