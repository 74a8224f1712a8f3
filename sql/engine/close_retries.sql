-- The end of a reprocessing: close the errors of records that the source has no more,
-- and remember for the others what they were tried with.
-- Returns nothing. Safe to repeat: touches open rows only.
UPDATE ops.sync_errors AS s SET
    tried_with = %(tried_with)s,
    resolved = gone.is_gone,
    resolved_at = CASE WHEN gone.is_gone THEN clock_timestamp() END
FROM ops.sync_errors AS o
LEFT JOIN raw.{table} AS r
    ON r.source_system = o.source_system AND r.source_id = o.source_id
CROSS JOIN LATERAL (
    SELECT (coalesce(r.is_deleted, false) AND o.error_type <> 'refused_by_warehouse')
        -- The raw layer never had it; it was looked for since, for a webhook, in vain.
        OR (r.source_id IS NULL AND EXISTS (
            SELECT FROM staging.webhook_events AS e
            WHERE e.source_system = o.source_system
                AND e.entity_type = o.entity_type
                AND e.object_id = o.source_id
                AND e.is_gone
                AND e.settled_at > coalesce(o.observed_at, o.created_at)
        )) AS is_gone
) AS gone
WHERE s.id = o.id
    AND NOT o.resolved
    AND o.source_system = %(source_system)s
    AND o.entity_type = %(entity_type)s
    AND o.created_at < %(began)s
    AND (o.source_id IS NOT NULL OR o.record_data IS NOT NULL)
    AND (%(ids)s::bigint[] IS NULL OR o.id = ANY(%(ids)s))
    AND (
        gone.is_gone
        -- What an earlier attempt of the job tried may have met other rules.
        OR (o.tried_with IS DISTINCT FROM %(tried_with)s AND o.last_seen_at < %(began)s)
    )
