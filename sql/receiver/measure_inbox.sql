-- How much waits in the inbox, since when, and how much of it failed. %(sources)s: sources
-- that are told; counts end at %(most)s.
-- Returns source_system, what (deliveries or events), pending, failed and
-- oldest_pending_seconds (0: nothing waits), two rows a source. Reads only.
-- Each look goes through an index of what is pending or failed in the order that this
-- index alone has, from the source's first row on, and then leaves out other sources.
-- Asked by source, PostgreSQL may rather go through all deliveries by id, or through all
-- of the table: just when very many wait, and when none does.
SELECT
    s.source_system,
    'deliveries' AS what,
    (
        SELECT count(*) FROM (
            SELECT d.source_system FROM staging.webhook_deliveries AS d
            WHERE d.state = 'pending' AND (d.source_system, d.id) >= (s.source_system, 0)
            ORDER BY d.source_system, d.id
            LIMIT %(most)s
        ) AS waiting
        WHERE waiting.source_system = s.source_system
    ) AS pending,
    (
        SELECT count(*) FROM (
            SELECT d.source_system FROM staging.webhook_deliveries AS d
            WHERE d.state = 'failed' AND (d.source_system, d.id) >= (s.source_system, 0)
            ORDER BY d.source_system, d.id
            LIMIT %(most)s
        ) AS useless
        WHERE useless.source_system = s.source_system
    ) AS failed,
    coalesce(
        (
            SELECT extract(epoch FROM clock_timestamp() - first.received_at)
            FROM (
                SELECT d.source_system, d.received_at FROM staging.webhook_deliveries AS d
                WHERE d.state = 'pending'
                    AND (d.source_system, d.id) >= (s.source_system, 0)
                ORDER BY d.source_system, d.id
                LIMIT 1
            ) AS first
            WHERE first.source_system = s.source_system
        ),
        0
    ) AS oldest_pending_seconds
FROM unnest(%(sources)s::text[]) AS s (source_system)
UNION ALL
SELECT
    s.source_system,
    'events',
    (
        SELECT count(*) FROM (
            SELECT e.source_system FROM staging.webhook_events AS e
            WHERE e.state = 'pending' AND (e.source_system, e.id) >= (s.source_system, 0)
            ORDER BY e.source_system, e.id
            LIMIT %(most)s
        ) AS waiting
        WHERE waiting.source_system = s.source_system
    ),
    (
        SELECT count(*) FROM (
            SELECT e.source_system FROM staging.webhook_events AS e
            WHERE e.state = 'failed' AND (e.source_system, e.id) >= (s.source_system, 0)
            ORDER BY e.source_system, e.id
            LIMIT %(most)s
        ) AS useless
        WHERE useless.source_system = s.source_system
    ),
    coalesce(
        (
            SELECT extract(epoch FROM clock_timestamp() - d.received_at)
            FROM (
                SELECT e.source_system, e.delivery_id FROM staging.webhook_events AS e
                WHERE e.state = 'pending'
                    AND (e.source_system, e.id) >= (s.source_system, 0)
                ORDER BY e.source_system, e.id
                LIMIT 1
            ) AS first
            JOIN staging.webhook_deliveries AS d ON d.id = first.delivery_id
            WHERE first.source_system = s.source_system
        ),
        0
    )
FROM unnest(%(sources)s::text[]) AS s (source_system)
