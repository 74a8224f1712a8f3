-- The profile that an entity's latest job ran with, and that of the latest load that ended
-- well. Returns one row, or none when it never ran; a profile is empty for the source's own
-- API, ended is NULL when no load ever did. Reads only.
SELECT
    coalesce(spec -> 'source' ->> 'profile', '') AS profile,
    (
        SELECT coalesce(j.arguments ->> 'profile', '')
        FROM ops.sync_jobs AS j
        WHERE j.source_system = %(source_system)s
            AND j.entity_type = %(entity_type)s
            AND j.job_type IN ('full', 'incremental')
            AND j.status IN ('success', 'partial')
        ORDER BY j.id DESC
        LIMIT 1
    ) AS ended
FROM ops.source_specs
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
