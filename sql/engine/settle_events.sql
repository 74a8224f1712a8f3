-- Mark events as merged: the records that they announce were read after them.
-- %(missing)s: ids of those that the source does not have; %(looked_at)s: the last event
-- that was looked at before. Later ones of these records, of which there may be a million,
-- are settled after the transaction (settle_rest.sql), which holds the entity's rows.
-- Returns settled_at. Part of the transaction that merges those records, whose job alone
-- adds events: none came since it read them. Safe to repeat: touches pending rows only.
UPDATE staging.webhook_events SET
    state = 'merged',
    job_id = %(job_id)s,
    is_gone = object_id = ANY(%(missing)s),
    settled_at = statement_timestamp()
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND entity_type = %(entity_type)s
    AND object_id = ANY(%(ids)s)
    AND id <= %(looked_at)s
RETURNING settled_at
