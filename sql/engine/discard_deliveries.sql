-- Leave deliveries unexploded. %(ids)s: their numbers. %(reason)s: who says so, and why;
-- what was the reason before stands behind it.
-- Returns nothing. Safe to repeat: touches pending and failed rows only.
UPDATE staging.webhook_deliveries SET
    state = 'discarded',
    error_message = %(reason)s || coalesce('; was: ' || error_message, ''),
    exploded_at = clock_timestamp()
WHERE id = ANY(%(ids)s) AND state IN ('pending', 'failed')
