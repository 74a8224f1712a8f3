-- Give a limit that the definition of a source account no longer has the name of a new one
-- of the same requests and window, with all that was counted. Returns nothing. Safe to
-- repeat: then the name is there.
UPDATE ops.api_quota SET name = %(name)s
WHERE source_system = %(source_system)s
    AND name = (
        SELECT min(gone.name) FROM ops.api_quota AS gone
        WHERE gone.source_system = %(source_system)s
            AND gone.kind = %(kind)s
            AND gone.per_seconds = %(per_seconds)s
            AND NOT gone.name = ANY(%(names)s)
    )
    AND NOT EXISTS (
        SELECT FROM ops.api_quota AS kept
        WHERE kept.source_system = %(source_system)s AND kept.name = %(name)s
    )
