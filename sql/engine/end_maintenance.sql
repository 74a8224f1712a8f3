-- End a round of maintenance: failed when one of its acts did. Returns nothing.
-- Safe to repeat.
UPDATE ops.maintenance_runs AS m SET
    completed_at = clock_timestamp(),
    status = CASE
        WHEN EXISTS (
            SELECT FROM ops.maintenance_acts AS a
            WHERE a.maintenance_run_id = m.id AND a.error IS NOT NULL
        ) THEN 'failed'
        ELSE 'success'
    END
WHERE m.id = %(id)s AND m.completed_at IS NULL
