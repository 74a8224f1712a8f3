-- Count one day (UTC) of an entity anew from its jobs; partial counts as successful.
-- Returns nothing. Safe to repeat: a job that failed and was resumed is one job, of the
-- day on which it ended last.
WITH day AS (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE status IN ('success', 'partial')) AS successful,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        coalesce(avg(extract(epoch FROM completed_at - started_at)), 0) AS duration,
        coalesce(sum(records_processed), 0) AS records
    FROM ops.sync_jobs
    WHERE source_system = %(source_system)s
        AND entity_type = %(entity_type)s
        AND completed_at >= %(day)s::timestamp AT TIME ZONE 'UTC'
        AND completed_at < (%(day)s::timestamp + interval '1 day') AT TIME ZONE 'UTC'
)
INSERT INTO ops.sync_metrics (
    date, source_system, entity_type, total_syncs, successful_syncs, failed_syncs,
    avg_duration, total_records
)
SELECT
    %(day)s, %(source_system)s, %(entity_type)s, total, successful, failed, duration,
    records
FROM day
ON CONFLICT (date, source_system, entity_type) DO UPDATE SET
    total_syncs = excluded.total_syncs,
    successful_syncs = excluded.successful_syncs,
    failed_syncs = excluded.failed_syncs,
    avg_duration = excluded.avg_duration,
    total_records = excluded.total_records
