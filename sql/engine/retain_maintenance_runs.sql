-- Delete rounds of maintenance that are older than ops.retention says, with their acts.
-- At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM ops.maintenance_runs WHERE id IN (
        SELECT m.id FROM ops.maintenance_runs AS m
        JOIN ops.retention AS r ON r.name = 'maintenance_runs'
        WHERE m.started_at < clock_timestamp() - make_interval(days => r.days)
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
