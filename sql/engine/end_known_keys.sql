-- End what records say that are gone; it stays told of them. %(ids)s: their source ids.
-- Returns nothing. Safe to repeat: what ended is not written. Rows are locked in the
-- order in which everybody locks them.
UPDATE identity.known_keys AS t SET
    said_until = clock_timestamp(),
    end_reason = 'gone',
    end_job_id = %(job_id)s
WHERE t.id = ANY(ARRAY(
    SELECT k.id FROM identity.known_keys AS k
    WHERE k.source_system = %(source_system)s
        AND k.entity_type = %(entity_type)s
        AND k.source_id = ANY(%(ids)s)
        AND k.said_until IS NULL
    ORDER BY k.id
    FOR UPDATE
    ))
