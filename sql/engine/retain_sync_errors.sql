-- Delete resolved errors that are older than ops.retention says; never an open one.
-- At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM ops.sync_errors WHERE id IN (
        SELECT s.id FROM ops.sync_errors AS s
        JOIN ops.retention AS r ON r.name = 'sync_errors'
        WHERE s.resolved
            AND s.resolved_at < clock_timestamp() - make_interval(days => r.days)
        LIMIT %(limit)s
    )
    AND resolved
    RETURNING 1
)
SELECT count(*) FROM gone
