-- Close errors of records without an id that a full load did not meet any more: they
-- are mended in the source, or gone. Returns nothing. Safe to repeat: open rows only.
UPDATE ops.sync_errors SET resolved = true, resolved_at = clock_timestamp()
WHERE NOT resolved
    AND source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND fingerprint LIKE 'sha256:%%'
    AND last_seen_at < %(began)s
