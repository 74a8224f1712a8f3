-- Delete comparisons that began longer ago than ops.retention says; never one that has
-- differences left, or whose job may go on. At most %(limit)s. Returns one row: deleted.
-- Safe to repeat.
WITH gone AS (
    DELETE FROM ops.reconciliations
    WHERE id IN (
        SELECT r.id
        FROM ops.reconciliations AS r
        JOIN ops.sync_jobs AS j ON j.id = r.job_id
        WHERE r.started_at < (
            SELECT now() - make_interval(days => k.days)
            FROM ops.retention AS k WHERE k.name = 'reconciliations'
        )
            AND j.status IN ('success', 'partial', 'failed')
            AND NOT EXISTS (
                SELECT FROM ops.reconciliation_differences AS d
                WHERE d.reconciliation_id = r.id
            )
        ORDER BY r.started_at
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
