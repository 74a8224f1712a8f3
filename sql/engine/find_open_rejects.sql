-- Which of these fingerprints are open rejects of the entity: %(fingerprints)s.
-- Returns one row each. Reads only.
SELECT fingerprint FROM ops.sync_errors
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND severity = 'error'
    AND NOT resolved
    AND fingerprint = ANY(%(fingerprints)s)
