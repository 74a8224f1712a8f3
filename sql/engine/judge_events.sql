-- Judge anew the failed events of deliveries that were exploded again. %(events)s: what is
-- in these deliveries now, as in save_events.sql. One that is not in them any more, for it
-- is read otherwise today, is discarded: another row has its place.
-- Returns nothing. Part of the transaction that saves the events. Safe to repeat: touches
-- failed rows only, and none whose values were taken out.
UPDATE staging.webhook_events AS e SET
    state = coalesce(n.state, 'discarded'),
    reason = CASE
        WHEN n.state IS NULL THEN 'its delivery was exploded again, and says it otherwise'
        ELSE n.reason
    END,
    settled_at = clock_timestamp()
FROM staging.webhook_events AS o
LEFT JOIN jsonb_to_recordset(%(events)s) AS n (
    dedupe_key text, state text, reason text
)
    ON n.dedupe_key = o.dedupe_key
WHERE o.delivery_id = ANY(%(deliveries)s)
    AND o.source_system = %(source_system)s
    AND o.state = 'failed'
    AND o.redacted_at IS NULL
    AND e.id = o.id
