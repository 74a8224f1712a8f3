-- What the open rejects and warnings of a source system were tried with last, for the
-- entities that are switched on. Reads only.
-- Returns one row each: entity_type, tried_with (NULL: by an older release).
SELECT DISTINCT s.entity_type, s.tried_with
FROM ops.sync_errors AS s
LEFT JOIN ops.sync_configurations AS c USING (source_system, entity_type)
WHERE NOT s.resolved
    AND s.source_system = %(source_system)s
    AND (s.source_id IS NOT NULL OR s.record_data IS NOT NULL)
    AND coalesce(c.is_active, true)
