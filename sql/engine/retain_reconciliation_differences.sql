-- Delete differences of comparisons that began longer ago than ops.retention says; never
-- those of one whose job may go on. At most %(limit)s. Returns one row: deleted. Safe to
-- repeat.
WITH gone AS (
    DELETE FROM ops.reconciliation_differences
    WHERE (reconciliation_id, fingerprint, reason) IN (
        SELECT d.reconciliation_id, d.fingerprint, d.reason
        FROM ops.reconciliations AS r
        JOIN ops.sync_jobs AS j ON j.id = r.job_id
        JOIN ops.reconciliation_differences AS d ON d.reconciliation_id = r.id
        WHERE r.started_at < (
            SELECT now() - make_interval(days => k.days)
            FROM ops.retention AS k WHERE k.name = 'reconciliation_differences'
        )
            AND j.status IN ('success', 'partial', 'failed')
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
