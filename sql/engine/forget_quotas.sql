-- Drop limits of a source account that its definition no longer has, with their usage.
-- Returns nothing. Safe to repeat.
DELETE FROM ops.api_quota
WHERE source_system = %(source_system)s AND NOT name = ANY(%(names)s)
