-- Take the values out of events about records that are erased, and settle the pending.
-- %(events)s: a JSON list of objects with the columns below: payload is what is left of
-- the event, hidden what stands in place of its dedupe key, plain.
-- Returns nothing. Safe to repeat: a key that is hidden is left. Where a row has the
-- hidden key, which a process of an earlier release may leave, the id is added.
UPDATE staging.webhook_events AS e SET
    payload = t.payload,
    dedupe_key = CASE
        WHEN e.dedupe_key <> t.plain OR t.plain = t.hidden THEN e.dedupe_key
        WHEN EXISTS (
            SELECT FROM staging.webhook_events AS taken
            WHERE taken.source_system = e.source_system AND taken.dedupe_key = t.hidden
        )
            THEN t.hidden || '/' || e.id
        ELSE t.hidden
    END,
    redacted_at = coalesce(e.redacted_at, clock_timestamp()),
    state = CASE WHEN e.state = 'pending' THEN 'merged' ELSE e.state END,
    is_gone = CASE WHEN e.state = 'pending' THEN true ELSE e.is_gone END,
    settled_at = coalesce(e.settled_at, clock_timestamp()),
    job_id = CASE WHEN e.state = 'pending' THEN %(job_id)s ELSE e.job_id END
FROM jsonb_to_recordset(%(events)s) AS t (
    id bigint, payload jsonb, plain text, hidden text
)
WHERE e.id = t.id
