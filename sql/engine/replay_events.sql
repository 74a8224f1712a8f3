-- Let the next merge read again what settled events announce. %(ids)s: their numbers.
-- settled_at and is_gone stay until then: that a record was looked for in vain still
-- keeps older pages from bringing it back.
-- Returns nothing. Safe to repeat: touches settled rows only, and none of whose record is
-- erased; the caller holds the inbox (lock_rows.sql), so that no erasure comes between.
UPDATE staging.webhook_events AS e SET
    state = 'pending',
    reason = NULL
WHERE e.id = ANY(%(ids)s)
    AND e.state IN ('merged', 'ignored')
    AND e.redacted_at IS NULL
    AND NOT EXISTS (
        SELECT FROM ops.erased_records AS r
        WHERE r.source_system = e.source_system
            AND r.entity_type = e.entity_type AND r.source_id = e.object_id
    )
