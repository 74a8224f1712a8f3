-- Whether the merge of an Airflow run (%(dag_id)s, %(run_id)s) left webhooks of a source
-- pending that it should have settled: a delivery that had come when its job began, or was
-- last taken up; or, since only a merge makes events, an event of an entity that did not rest
-- from then on. What rested by then and does no more was left out rightly. Where the run
-- claimed no job, what had come before its end, %(ended_at)s, counts.
-- Returns one row. Reads only, by the indexes of what is pending, as find_pending_webhooks.sql
-- does: of the deliveries the first one alone, which came first but for moments.
WITH RECURSIVE merge AS (
    SELECT coalesce(
        (
            SELECT max(a.at)
            FROM ops.sync_jobs AS j
            JOIN ops.audit_log AS a
                ON a.object_type = 'sync_job' AND a.object_id = j.id::text
                AND a.action IN ('job.begun', 'job.resumed')
            WHERE j.dag_id = %(dag_id)s AND j.run_id = %(run_id)s
                AND j.source_system = %(source_system)s AND j.entity_type = 'webhooks'
        ),
        %(ended_at)s::timestamptz
    ) AS began
),
entities AS (
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
    coalesce(
        (
            SELECT first.received_at < m.began
            FROM (
                SELECT d.received_at FROM staging.webhook_deliveries AS d
                WHERE d.source_system = %(source_system)s AND d.state = 'pending'
                ORDER BY d.source_system, d.id
                LIMIT 1
            ) AS first
        ),
        false
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
                    AND r.until > m.began
            )
    )
FROM merge AS m
