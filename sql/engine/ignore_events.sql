-- Settle pending events of entities that are not loaded, or of no record. %(entities)s:
-- those that are loaded. %(carried)s: the
-- events carry records, which need no id here: who has none is set aside with a reason.
-- Returns nothing. Safe to repeat: touches pending rows only.
UPDATE staging.webhook_events SET
    state = 'ignored',
    reason = 'the entity is not in the source''s file, or is switched off',
    job_id = %(job_id)s,
    settled_at = clock_timestamp()
WHERE source_system = %(source_system)s
    AND state = 'pending'
    AND NOT coalesce(
        entity_type = ANY(%(entities)s) AND (%(carried)s OR object_id <> ''), false
    )
