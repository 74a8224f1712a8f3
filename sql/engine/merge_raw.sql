-- Merge the chunk's payloads into raw.{table}; the newest wins.
-- Returns nothing that matters. Safe to repeat: an equal or older payload is not
-- written. Rejected records are merged too: what a source sends is never dropped.
-- Of an announced record also that it did not change is written: poll and webhook may both
-- have it in hand, and whoever asked the source earlier must not write later what was
-- undone meanwhile. A record that waits for no webhook is read by one alone.
-- %(lost)s: source ids of records that were merged into others; they never live again.
-- The caller holds the entity's rows (lock_rows.sql): nobody else writes these.
INSERT INTO raw.{table} AS r (
    source_system, source_id, payload, payload_bytes, payload_hash,
    source_updated_at, fetched_at, job_id
)
SELECT
    %(source_system)s, c.source_id, c.payload::jsonb, c.payload_bytes, c.payload_hash,
    c.version, c.observed_at, %(job_id)s
FROM chunk AS c
LEFT JOIN LATERAL (
    SELECT * FROM raw.{table} AS t
    WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
    LIMIT 1  -- one look-up per record, whatever the planner knows of the table
    ) AS o ON true
WHERE (
        o.source_id IS NULL
        -- Nor was it looked for since, for a webhook, and found to be gone.
        AND NOT EXISTS (
            SELECT FROM staging.webhook_events AS e
            WHERE e.source_system = %(source_system)s
                AND e.entity_type = %(entity_type)s
                AND e.object_id = c.source_id
                AND e.is_gone
                AND e.settled_at > c.observed_at
        )
    )
    -- A read that began after a tombstone revives, but not to an older state. What an
    -- index says revives only what was changed since: the index may be late.
    OR (
        o.is_deleted
        AND NOT c.source_id = ANY(%(lost)s)
        AND c.observed_at > o.deleted_at
        AND coalesce(c.version >= o.source_updated_at, true)
        AND (NOT c.indexed OR c.version > o.deleted_at)
    )
    OR (
        NOT o.is_deleted
        AND o.payload_hash <> c.payload_hash
        AND CASE
            WHEN c.version <> o.source_updated_at THEN c.version > o.source_updated_at
            ELSE c.observed_at >= o.fetched_at
        END
    )
    OR (
        NOT o.is_deleted
        AND o.payload_hash = c.payload_hash
        AND c.observed_at > o.fetched_at
        -- Not EXISTS, for which a planner may read all that waits, a million perhaps.
        AND (
            SELECT true FROM staging.webhook_events AS e
            WHERE e.source_system = %(source_system)s
                AND e.entity_type = %(entity_type)s
                AND e.object_id = c.source_id
                AND e.state = 'pending'
            LIMIT 1
        )
    )
ON CONFLICT (source_system, source_id) DO UPDATE SET
    payload = excluded.payload,
    payload_bytes = excluded.payload_bytes,
    payload_hash = excluded.payload_hash,
    source_updated_at = excluded.source_updated_at,
    fetched_at = excluded.fetched_at,
    job_id = excluded.job_id,
    is_deleted = false,
    deleted_at = NULL,
    absent_since = NULL
