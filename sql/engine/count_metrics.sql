-- Add one ended job to its day in ops.sync_metrics; partial counts as successful.
-- Returns nothing. Part of the transaction that ends the job, so never counted twice.
INSERT INTO ops.sync_metrics AS m (
    date, source_system, entity_type, total_syncs, successful_syncs, failed_syncs,
    avg_duration, total_records
)
SELECT
    (j.completed_at AT TIME ZONE 'UTC')::date, j.source_system, j.entity_type, 1,
    (j.status <> 'failed')::integer, (j.status = 'failed')::integer,
    extract(epoch FROM j.completed_at - j.started_at), j.records_processed
FROM ops.sync_jobs AS j
WHERE j.id = %(job_id)s
ON CONFLICT (date, source_system, entity_type) DO UPDATE SET
    total_syncs = m.total_syncs + 1,
    successful_syncs = m.successful_syncs + excluded.successful_syncs,
    failed_syncs = m.failed_syncs + excluded.failed_syncs,
    avg_duration =
        (m.avg_duration * m.total_syncs + excluded.avg_duration) / (m.total_syncs + 1),
    total_records = m.total_records + excluded.total_records
