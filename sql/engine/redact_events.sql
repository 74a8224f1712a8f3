-- Take the values out of events about records that are erased, and settle the pending.
-- %(events)s: JSON object from the ids of events to what is left of them.
-- Returns nothing. Safe to repeat.
UPDATE staging.webhook_events AS e SET
    payload = t.value,
    redacted_at = coalesce(e.redacted_at, clock_timestamp()),
    state = CASE WHEN e.state = 'pending' THEN 'merged' ELSE e.state END,
    is_gone = CASE WHEN e.state = 'pending' THEN true ELSE e.is_gone END,
    settled_at = coalesce(e.settled_at, clock_timestamp()),
    job_id = CASE WHEN e.state = 'pending' THEN %(job_id)s ELSE e.job_id END
FROM jsonb_each(%(events)s) AS t
WHERE e.id = t.key::bigint
