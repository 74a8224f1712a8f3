-- Say what became of pending deliveries. %(deliveries)s: a JSON list of objects with id
-- and error_message, which is null when all events of the delivery are written.
-- Returns nothing. Safe to repeat: touches pending rows only.
UPDATE staging.webhook_deliveries AS d SET
    state = CASE WHEN s.error_message IS NULL THEN 'exploded' ELSE 'failed' END,
    error_message = s.error_message,
    exploded_at = clock_timestamp()
FROM jsonb_to_recordset(%(deliveries)s) AS s (id bigint, error_message text)
WHERE d.id = s.id AND d.state = 'pending'
