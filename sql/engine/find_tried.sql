-- What the open rejects and warnings of a source system were tried with last, for the
-- entities that are switched on. Reads only.
-- Returns one row each: entity_type, tried_with (NULL: by an older release, or by a
-- reprocessing that has not come to its end).
SELECT DISTINCT tried.entity_type, tried.tried_with
FROM (
    SELECT source_system, entity_type, tried_with
    FROM ops.sync_errors
    WHERE NOT resolved AND (source_id IS NOT NULL OR record_data IS NOT NULL)
        -- A line that is no record becomes none by another mapping.
        AND rule IS DISTINCT FROM 'built-in:csv'
    UNION ALL
    SELECT source_system, entity_type, NULL
    FROM ops.sync_jobs
    WHERE status IN ('pending', 'running', 'waiting') AND job_type = 'reprocess'
) AS tried
LEFT JOIN ops.sync_configurations AS c USING (source_system, entity_type)
WHERE tried.source_system = %(source_system)s
    AND coalesce(c.is_active, true)
