-- Set events back to pending whose records the source could not answer for, alone, while it
-- did for others: that may have passed, and no list tells of a deletion. %(reason)s: how
-- their reason begins (fail_events.sql). After an hour, then after twice as long each time,
-- for a week; the longest failed first, and %(limit)s at most, for each may cost a search.
-- Returns their ids. Safe to repeat. Reads by the index of what failed; the caller holds the
-- inbox (lock_rows.sql), so that no erasure comes between.
UPDATE staging.webhook_events SET
    state = 'pending',
    reason = NULL
WHERE id IN (
    SELECT e.id
    FROM staging.webhook_events AS e
    WHERE e.source_system = %(source_system)s
        AND e.state = 'failed'
        AND starts_with(e.reason, %(reason)s)
        AND e.created_at > clock_timestamp() - interval '7 days'
        AND clock_timestamp() - e.settled_at
            > greatest(interval '1 hour', e.settled_at - e.created_at)
        AND e.redacted_at IS NULL
        AND NOT EXISTS (
            SELECT FROM ops.erased_records AS r
            WHERE r.source_system = e.source_system
                AND r.entity_type = e.entity_type AND r.source_id = e.object_id
        )
    ORDER BY e.settled_at
    LIMIT %(limit)s
    FOR UPDATE OF e SKIP LOCKED
)
RETURNING id
