-- Delete settled events that are older than ops.retention says; never a pending one.
-- At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM staging.webhook_events
    WHERE state <> 'pending'
        AND id = ANY(
            ARRAY(  -- in order, and as an array, so that indexes are used
                SELECT e.id FROM staging.webhook_events AS e
                WHERE e.state <> 'pending'
                    AND e.settled_at < (
                        SELECT now() - make_interval(days => r.days)
                        FROM ops.retention AS r WHERE r.name = 'webhook_events'
                    )
                ORDER BY e.settled_at
                LIMIT %(limit)s
            )
        )
    RETURNING 1
)
SELECT count(*) FROM gone
