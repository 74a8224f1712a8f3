-- Sources whose webhooks wait for more than %(overdue_after)s seconds while nobody merges
-- them, nor was told to within %(again_after)s. %(webhook_sources)s: sources looked at.
-- Returns source_system. Reads only: of the inbox nothing while a merge is at work, and
-- else what waits first, in the order that the index of what is pending alone has. By id,
-- where nothing of a source waits, all deliveries would be looked through.
SELECT s.source_system
FROM unnest(%(webhook_sources)s::text[]) AS s (source_system)
WHERE CASE
    WHEN EXISTS (
        SELECT FROM ops.sync_jobs AS j
        WHERE j.source_system = s.source_system AND j.entity_type = 'webhooks'
            AND j.status IN ('pending', 'running', 'waiting')
    ) THEN false
    WHEN EXISTS (
        SELECT FROM ops.maintenance_acts AS a
        WHERE a.act = 'merge_webhooks' AND a.source_system = s.source_system
            AND a.found > 0
            AND a.at > clock_timestamp() - make_interval(secs => %(again_after)s)
    ) THEN false
    ELSE least(
        (
            SELECT first.received_at
            FROM (
                SELECT d.source_system, d.received_at FROM staging.webhook_deliveries AS d
                WHERE d.state = 'pending'
                    AND (d.source_system, d.id) >= (s.source_system, 0)
                ORDER BY d.source_system, d.id
                LIMIT 1
            ) AS first
            WHERE first.source_system = s.source_system
        ),
        (
            SELECT first.created_at
            FROM (
                SELECT e.source_system, e.created_at FROM staging.webhook_events AS e
                WHERE e.state = 'pending'
                    AND (e.source_system, e.id) >= (s.source_system, 0)
                ORDER BY e.source_system, e.id
                LIMIT 1
            ) AS first
            WHERE first.source_system = s.source_system
        )
    ) < clock_timestamp() - make_interval(secs => %(overdue_after)s)
END
