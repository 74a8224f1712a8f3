-- Delete resolved errors that are older than ops.retention says; never an open one.
-- At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM ops.sync_errors
    WHERE resolved
        AND id = ANY(
            ARRAY(  -- in order, and as an array, so that indexes are used
                SELECT s.id FROM ops.sync_errors AS s
                WHERE s.resolved
                    AND s.resolved_at < (
                        SELECT now() - make_interval(days => r.days)
                        FROM ops.retention AS r WHERE r.name = 'sync_errors'
                    )
                ORDER BY s.resolved_at
                LIMIT %(limit)s
            )
        )
    RETURNING 1
)
SELECT count(*) FROM gone
