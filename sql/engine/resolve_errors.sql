-- Mark errors of the chunk's records as resolved when the record no longer shows them.
-- {current}: condition that the chunk has the state that raw holds, and no older one.
-- Returns nothing. Safe to repeat: touches open rows only.
UPDATE ops.sync_errors AS healed SET
    resolved = true,
    resolved_at = clock_timestamp()
FROM (
    SELECT s.id
    FROM chunk AS c
    CROSS JOIN LATERAL (
        SELECT o.id, o.fingerprint, o.severity, o.field, o.error_type
        FROM ops.sync_errors AS o
        WHERE NOT o.resolved
            AND o.source_system = %(source_system)s
            AND o.entity_type = %(entity_type)s
            AND o.fingerprint = 'id:' || c.source_id
        OFFSET 0  -- one look-up per record, however many errors are open
    ) AS s
    LEFT JOIN LATERAL (
        SELECT true AS shows FROM chunk_errors AS e
        WHERE e.fingerprint = s.fingerprint AND e.severity = s.severity
            AND e.field = s.field
        LIMIT 1  -- likewise
    ) AS still ON true
    WHERE still.shows IS NULL AND {current}
) AS found
WHERE healed.id = found.id
