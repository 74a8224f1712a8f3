-- Delete the readings of windows that began longer ago than ops.retention says; never one
-- whose job may go on. At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM ops.sync_windows
    WHERE (job_id, reading) IN (
        SELECT w.job_id, w.reading
        FROM ops.sync_windows AS w
        JOIN ops.sync_jobs AS j ON j.id = w.job_id
        WHERE w.started_at < (
            SELECT now() - make_interval(days => r.days)
            FROM ops.retention AS r WHERE r.name = 'sync_windows'
        )
            AND j.status IN ('success', 'partial', 'failed')
        ORDER BY w.started_at
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
