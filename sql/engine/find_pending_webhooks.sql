-- Whether webhooks of a source wait to be merged: deliveries not yet taken apart, or events
-- not yet settled of an entity that does not rest, or of none. Returns one row. Reads only,
-- by the indexes of what is pending: the entities that have events are few, and each is found
-- by a look into the index behind the one before, however many of another's events wait.
WITH RECURSIVE entities AS (
    (
        SELECT e.entity_type
        FROM staging.webhook_events AS e
        WHERE e.source_system = %(source_system)s AND e.state = 'pending'
            AND e.entity_type IS NOT NULL
        ORDER BY e.source_system, e.entity_type, e.object_id, e.id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT e.entity_type
        FROM staging.webhook_events AS e
        WHERE e.source_system = %(source_system)s AND e.state = 'pending'
            AND e.entity_type > b.entity_type
        ORDER BY e.source_system, e.entity_type, e.object_id, e.id
        LIMIT 1
    )
    FROM entities AS b
    WHERE b.entity_type IS NOT NULL
)
SELECT
    EXISTS (
        SELECT FROM staging.webhook_deliveries
        WHERE source_system = %(source_system)s AND state = 'pending'
    )
    OR (
        -- In the order that the index of what is announced alone has.
        SELECT e.id FROM staging.webhook_events AS e
        WHERE e.source_system = %(source_system)s AND e.state = 'pending'
            AND e.entity_type IS NULL
        ORDER BY e.source_system, e.entity_type, e.object_id, e.id
        LIMIT 1
    ) IS NOT NULL
    OR EXISTS (
        SELECT FROM entities AS e
        WHERE e.entity_type IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM ops.webhook_rests AS r
                WHERE r.source_system = %(source_system)s
                    AND r.entity_type = e.entity_type
                    AND r.until > clock_timestamp()
            )
    )
