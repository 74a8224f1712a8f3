-- Properties that records of an entity had, and that its source does not name any more.
-- Returns their names. Safe to repeat: nothing is written.
SELECT property FROM ops.source_properties
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND removed_at IS NOT NULL
