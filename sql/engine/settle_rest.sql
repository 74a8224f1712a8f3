-- Mark further events of records as merged that were read after them. %(events)s: their
-- numbers; %(settled_at)s: as the transaction that merged the records had it, for what they
-- say of a record is as old as that. %(missing)s: as in settle_events.sql.
-- Returns nothing. Safe to repeat: touches pending rows only.
UPDATE staging.webhook_events SET
    state = 'merged',
    job_id = %(job_id)s,
    is_gone = object_id = ANY(%(missing)s),
    settled_at = %(settled_at)s
WHERE id = ANY(%(events)s) AND state = 'pending'
