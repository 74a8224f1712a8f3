-- What loads of an entity brought into warehouse.{table} that no webhook had announced,
-- since it was last measured and until %(tolerance)s seconds ago, or until the oldest
-- delivery that waits came: nobody knows yet what those behind it announce. Only kinds of
-- events that come at all are missed, and only for what happened after the first one came.
-- A change is missed only where most changes of the last days are announced: a source may
-- be asked for events of some fields alone, and in an outage none is.
-- %(created)s, %(changed)s, %(deleted)s: patterns of event types.
-- Returns one row: created, changed, deleted, changes_announced, changes_unannounced,
-- measured_until; none when no event of the entity ever came. Reads only.
WITH RECURSIVE span AS (
    SELECT
        (
            SELECT max(g.measured_until) FROM ops.webhook_gaps AS g
            WHERE g.source_system = %(source_system)s
                AND g.entity_type = %(entity_type)s
        ) AS since,
        least(
            clock_timestamp() - make_interval(secs => %(tolerance)s),
            (
                SELECT d.received_at FROM staging.webhook_deliveries AS d
                WHERE d.source_system = %(source_system)s AND d.state = 'pending'
                ORDER BY d.id
                LIMIT 1
            )
        ) AS until,
        make_interval(secs => %(tolerance)s) AS tolerance
),
    -- Types of events, few, each found by a look into the index behind the one before.
types AS (
    SELECT min(event_type) AS event_type
    FROM staging.webhook_events
    WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
    UNION ALL
    SELECT (
        SELECT min(e.event_type) FROM staging.webhook_events AS e
        WHERE e.source_system = %(source_system)s AND e.entity_type = %(entity_type)s
            AND e.event_type > t.event_type
    )
    FROM types AS t
    WHERE t.event_type IS NOT NULL
),
firsts AS (
    SELECT
        t.event_type,
        (
            SELECT min(e.created_at) FROM staging.webhook_events AS e
            WHERE e.source_system = %(source_system)s AND e.entity_type = %(entity_type)s
                AND e.event_type = t.event_type
        ) AS first
    FROM types AS t
    WHERE t.event_type IS NOT NULL
),
kinds AS (
    SELECT
        min(first) FILTER (WHERE event_type ~ %(created)s) AS created_since,
        min(first) FILTER (WHERE event_type ~ %(deleted)s) AS deleted_since,
        min(first) FILTER (WHERE event_type ~ %(changed)s) AS changed_since,
        min(first) AS first
    FROM firsts
),
written AS (
    SELECT
        w.source_id, w.observed_at, j.id AS job_id, j.job_type = 'webhook' AS by_webhook,
        CASE
            WHEN w.is_deleted THEN 'deleted'
            WHEN w.source_created_at > k.created_since
                AND w.created_at > coalesce(s.since, k.first) THEN 'created'
            ELSE 'changed'
        END AS kind,
        CASE WHEN w.is_deleted THEN w.observed_at ELSE w.source_updated_at END AS at
    FROM warehouse.{table} AS w
    JOIN ops.sync_jobs AS j ON j.id = w.job_id
    CROSS JOIN span AS s
    CROSS JOIN kinds AS k
    WHERE w.source_system = %(source_system)s
        AND w.last_synced > coalesce(s.since, k.first) AND w.last_synced <= s.until
        AND (
            j.job_type = 'webhook'
            OR (j.entity_type = %(entity_type)s AND j.job_type IN ('incremental', 'full'))
        )
),
judged AS (
    SELECT
        w.kind,
        w.by_webhook OR EXISTS (
            SELECT FROM staging.webhook_events AS e
            WHERE e.source_system = %(source_system)s
                AND e.entity_type = %(entity_type)s
                AND e.object_id = w.source_id
                AND e.created_at > w.at - s.tolerance
                AND (w.kind <> 'deleted' OR e.event_type ~ %(deleted)s)
        ) AS announced,
        CASE w.kind
            WHEN 'created' THEN true
            -- It lived when webhooks had begun.
            WHEN 'deleted' THEN w.observed_at > k.deleted_since OR EXISTS (
                SELECT FROM ops.sync_jobs AS p
                WHERE p.source_system = %(source_system)s
                    AND p.entity_type = %(entity_type)s
                    AND p.job_type = 'full' AND p.status IN ('success', 'partial')
                    AND p.id < w.job_id AND p.started_at > k.deleted_since
            )
            ELSE w.at > k.changed_since
        END AS expected
    FROM written AS w
    CROSS JOIN span AS s
    CROSS JOIN kinds AS k
),
counted AS (
    SELECT
        count(*) FILTER (WHERE expected AND NOT announced AND kind = 'created') AS created,
        count(*) FILTER (WHERE expected AND NOT announced AND kind = 'changed') AS changed,
        count(*) FILTER (WHERE expected AND NOT announced AND kind = 'deleted') AS deleted,
        count(*) FILTER (WHERE announced AND kind = 'changed') AS changes_announced
    FROM judged
),
lately AS (
    SELECT
        coalesce(sum(g.changes_announced), 0) AS announced,
        coalesce(sum(g.changes_unannounced), 0) AS unannounced
    FROM ops.webhook_gaps AS g
    WHERE g.source_system = %(source_system)s AND g.entity_type = %(entity_type)s
        AND g.day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 7
)
SELECT
    c.created,
    CASE
        WHEN l.announced + c.changes_announced >= l.unannounced + c.changed THEN c.changed
        ELSE 0
    END AS changed,
    c.deleted, c.changes_announced, c.changed AS changes_unannounced,
    s.until AS measured_until
FROM counted AS c
CROSS JOIN lately AS l
CROSS JOIN span AS s
CROSS JOIN kinds AS k
WHERE k.first IS NOT NULL AND s.until > coalesce(s.since, k.first)
