-- Write the entity's rules that cannot be applied into ops.sync_errors as warnings, and
-- close those of rules that can be, or are gone.
-- %(names)s, %(fields)s, %(messages)s: one element per rule that cannot be applied.
-- Returns nothing. Safe to repeat: a warning that is open already is only brought up
-- to date.
WITH noted AS (
    INSERT INTO ops.sync_errors AS s (
        sync_job_id, source_system, entity_type, severity, error_type, error_message,
        field, fingerprint, rule
    )
    SELECT
        %(job_id)s, %(source_system)s, %(entity_type)s, 'warning', 'invalid_rule',
        wrong.message, wrong.field, 'rule:' || wrong.name, wrong.name
    FROM unnest(%(names)s::text[], %(fields)s::text[], %(messages)s::text[])
        AS wrong (name, field, message)
    ON CONFLICT ON CONSTRAINT sync_errors_once DO UPDATE SET
        error_message = excluded.error_message,
        seen_count = s.seen_count + 1,
        resolved = false,
        resolved_at = NULL,
        last_seen_at = clock_timestamp()
)
UPDATE ops.sync_errors SET resolved = true, resolved_at = clock_timestamp()
WHERE NOT resolved
    AND source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND fingerprint LIKE 'rule:%%'
    AND fingerprint <> ALL (SELECT 'rule:' || name FROM unnest(%(names)s::text[]) AS name)
