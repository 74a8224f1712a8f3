-- Mark errors of the chunk's records as resolved when the record no longer shows them.
-- {current}: condition that the chunk has the state that raw holds, and no older one.
-- Returns nothing. Safe to repeat: touches open rows only.
UPDATE ops.sync_errors AS s SET
    resolved = true,
    resolved_at = clock_timestamp()
FROM chunk AS c
WHERE NOT s.resolved
    AND s.source_system = %(source_system)s
    AND s.entity_type = %(entity_type)s
    AND s.fingerprint = 'id:' || c.source_id
    AND {current}
    AND NOT EXISTS (
        SELECT FROM chunk_errors AS e
        WHERE e.fingerprint = s.fingerprint AND e.severity = s.severity
            AND e.field = s.field
    )
