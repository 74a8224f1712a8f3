-- Let pending events fail whose records the source cannot answer for, alone, while it does
-- for others. %(ids)s: these records; %(category)s: how it failed, in one word.
-- Returns nothing. Safe to repeat: touches pending rows only; a replay sets them back.
UPDATE staging.webhook_events SET
    state = 'failed',
    reason = 'the source answers for other records, but not for this one: ' || %(category)s,
    job_id = %(job_id)s,
    settled_at = clock_timestamp()
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
