-- Take the discard of events back: they count as failed until their deliveries, which the
-- caller sets back in the same transaction, are exploded again, and they are judged anew.
-- %(ids)s: their numbers. Returns nothing. Safe to repeat: touches discarded rows only.
UPDATE staging.webhook_events SET
    state = 'failed',
    reason = 'replayed: waits until its delivery is exploded again'
WHERE id = ANY(%(ids)s) AND state = 'discarded' AND redacted_at IS NULL
