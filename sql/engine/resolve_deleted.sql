-- Close errors of records that are gone in the source. Returns nothing.
-- Safe to repeat: touches open rows only.
UPDATE ops.sync_errors SET
    resolved = true,
    resolved_at = clock_timestamp()
WHERE NOT resolved
    AND source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND fingerprint = ANY(%(fingerprints)s)
