-- How many records of raw.{table} merges of webhooks have marked as deleted of late:
-- within a day, or since a day before the longest pending event came. What a guard stops
-- stays pending, so the count does not begin anew while nobody has looked. It does after
-- a job that ended well with an override. Returns one row. Reads only.
WITH since AS (
    SELECT coalesce(
        (
            SELECT created_at FROM staging.webhook_events
            WHERE source_system = %(source_system)s
                AND entity_type = %(entity_type)s
                AND state = 'pending'
            ORDER BY id
            LIMIT 1
        ),
        now()
    ) - interval '1 day' AS began
),
passed AS (
    SELECT max(completed_at) AS ended
    FROM ops.sync_jobs
    WHERE source_system = %(source_system)s
        AND entity_type IN (%(entity_type)s, 'webhooks')
        AND completed_at > (SELECT began FROM since)
        AND status IN ('success', 'partial')
        AND 'mass_delete' = ANY(overrides)
)
SELECT count(*)
FROM raw.{table} AS r
JOIN ops.sync_jobs AS j ON j.id = r.job_id AND j.job_type = 'webhook'
WHERE r.source_system = %(source_system)s
    AND r.is_deleted
    AND r.deleted_at > greatest(
        (SELECT began FROM since), (SELECT ended FROM passed)
    )
