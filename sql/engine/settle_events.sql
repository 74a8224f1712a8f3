-- Mark events as merged: the records that they announce were read after them.
-- Returns nothing. Part of the transaction that merges those records. Safe to repeat:
-- touches pending rows only, and none that came after %(last_event)s.
UPDATE staging.webhook_events SET
    state = 'merged',
    job_id = %(job_id)s,
    settled_at = clock_timestamp()
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND id <= %(last_event)s
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
