-- Sources whose webhooks wait for more than %(overdue_after)s seconds while nobody merges
-- them, nor was told to within %(again_after)s. %(webhook_sources)s: sources looked at.
-- Events of an entity that rests wait rightly until then. Of each other entity one event is
-- asked for its age: only a merge makes events, so where nobody merges it grows old.
-- Returns source_system. Reads only: of the inbox nothing while a merge is at work, and
-- else what waits first, in the order that the index of what is pending alone has. By id,
-- where nothing of a source waits, all deliveries would be looked through.
WITH RECURSIVE entities AS (
    SELECT s.source_system, first.entity_type, first.created_at
    FROM unnest(%(webhook_sources)s::text[]) AS s (source_system)
    CROSS JOIN LATERAL (
        SELECT e.entity_type, e.created_at
        FROM staging.webhook_events AS e
        WHERE e.source_system = s.source_system AND e.state = 'pending'
            AND e.entity_type IS NOT NULL
        ORDER BY e.source_system, e.entity_type, e.object_id, e.id
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT b.source_system, next.entity_type, next.created_at
    FROM entities AS b
    CROSS JOIN LATERAL (
        SELECT e.entity_type, e.created_at
        FROM staging.webhook_events AS e
        WHERE e.source_system = b.source_system AND e.state = 'pending'
            AND e.entity_type > b.entity_type
        ORDER BY e.source_system, e.entity_type, e.object_id, e.id
        LIMIT 1
    ) AS next
)
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
            SELECT e.created_at FROM staging.webhook_events AS e
            WHERE e.source_system = s.source_system AND e.state = 'pending'
                AND e.entity_type IS NULL
            ORDER BY e.source_system, e.entity_type, e.object_id, e.id
            LIMIT 1
        ),
        (
            SELECT min(e.created_at) FROM entities AS e
            WHERE e.source_system = s.source_system
                AND NOT EXISTS (
                    SELECT FROM ops.webhook_rests AS r
                    WHERE r.source_system = e.source_system
                        AND r.entity_type = e.entity_type
                        AND r.until > clock_timestamp()
                )
        )
    ) < clock_timestamp() - make_interval(secs => %(overdue_after)s)
END
