-- Let the next merge explode deliveries again. %(ids)s: their numbers.
-- Returns nothing. Safe to repeat: events that are known get no second row
-- (save_events.sql), failed ones are judged anew (judge_events.sql).
UPDATE staging.webhook_deliveries SET
    state = 'pending',
    error_message = NULL,
    exploded_at = NULL
WHERE id = ANY(%(ids)s) AND state <> 'pending'
