-- Mark events as merged: the records that they carry are. %(ids)s: their numbers.
-- %(failed)s: JSON object from the numbers of those that are not merged to the reasons.
-- Returns nothing. Part of the transaction that merges those records. Safe to repeat:
-- touches pending rows only.
UPDATE staging.webhook_events AS e SET
    state = CASE WHEN %(failed)s ? e.id::text THEN 'failed' ELSE 'merged' END,
    reason = %(failed)s ->> e.id::text,
    job_id = %(job_id)s,
    settled_at = clock_timestamp()
WHERE e.id = ANY(%(ids)s) AND e.state = 'pending'
