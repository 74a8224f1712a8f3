-- Sources whose webhooks wait for more than %(overdue_after)s seconds while nobody merges
-- them, nor was told to within %(again_after)s. %(webhook_sources)s: sources looked at.
-- Returns source_system, waiting: deliveries and events. Reads only, by the indexes of what
-- is pending.
SELECT s.source_system, p.waiting
FROM unnest(%(webhook_sources)s::text[]) AS s (source_system)
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting
    FROM (
        SELECT received_at AS since FROM staging.webhook_deliveries AS d
        WHERE d.source_system = s.source_system AND d.state = 'pending'
        UNION ALL
        SELECT created_at FROM staging.webhook_events AS e
        WHERE e.source_system = s.source_system AND e.state = 'pending'
    ) AS pending
    WHERE since < clock_timestamp() - make_interval(secs => %(overdue_after)s)
) AS p
WHERE p.waiting > 0
    AND NOT EXISTS (
        SELECT FROM ops.maintenance_acts AS a
        WHERE a.act = 'merge_webhooks' AND a.source_system = s.source_system
            AND a.found > 0
            AND a.at > clock_timestamp() - make_interval(secs => %(again_after)s)
    )
    AND NOT EXISTS (
        SELECT FROM ops.sync_jobs AS j
        WHERE j.source_system = s.source_system AND j.entity_type = 'webhooks'
            AND j.status IN ('pending', 'running', 'waiting')
    )
