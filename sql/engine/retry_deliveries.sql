-- Set deliveries back to pending that a defect of ours could not read: a later release may.
-- Once a day, three times at most, and only for a week.
-- Returns their ids. Safe to repeat.
UPDATE staging.webhook_deliveries SET
    state = 'pending',
    error_message = NULL,
    exploded_at = NULL,
    retries = retries + 1,
    retried_at = clock_timestamp()
WHERE source_system = %(source_system)s
    AND state = 'failed'
    AND error_message LIKE 'cannot be read: %%'
    AND retries < 3
    AND received_at > clock_timestamp() - interval '7 days'
    AND coalesce(retried_at, exploded_at) < clock_timestamp() - interval '1 day'
RETURNING id
