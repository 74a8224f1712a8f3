-- Ask for a full load of an entity after webhooks were lost: deletions may be among them,
-- and no incremental load finds those. Once for each gap, and once a day at most.
-- Returns full_load_asked_at; none when no full load is due. Safe to repeat.
UPDATE ops.webhook_gaps AS g SET full_load_asked_at = clock_timestamp()
WHERE (g.source_system, g.entity_type, g.day) = (
    SELECT o.source_system, o.entity_type, o.day FROM ops.webhook_gaps AS o
    WHERE o.source_system = %(source_system)s AND o.entity_type = %(entity_type)s
        AND o.lost_at IS NOT NULL
    ORDER BY o.lost_at DESC
    LIMIT 1
)
    AND NOT EXISTS (
        SELECT FROM ops.sync_jobs AS j
        WHERE j.source_system = g.source_system AND j.entity_type = g.entity_type
            AND j.job_type = 'full' AND j.started_at > g.lost_at
            AND j.status IN ('running', 'waiting', 'success', 'partial')
    )
    AND NOT EXISTS (
        SELECT FROM ops.webhook_gaps AS o
        WHERE o.source_system = g.source_system AND o.entity_type = g.entity_type
            AND o.full_load_asked_at > clock_timestamp() - interval '1 day'
    )
RETURNING g.full_load_asked_at
