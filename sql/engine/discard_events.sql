-- Settle events that nobody wants merged. %(ids)s: their numbers. %(reason)s: who says so,
-- and why; what was the reason before stands behind it.
-- Returns nothing. Safe to repeat: touches pending and failed rows only.
UPDATE staging.webhook_events SET
    state = 'discarded',
    reason = %(reason)s || coalesce('; was: ' || reason, ''),
    job_id = NULL,
    settled_at = clock_timestamp()
WHERE id = ANY(%(ids)s) AND state IN ('pending', 'failed')
