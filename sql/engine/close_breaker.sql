-- Close a source account's breaker, and forget its failures: it answered.
-- Returns the state before, with failures and reason; no row when there was nothing to
-- forget. Safe to repeat.
UPDATE ops.circuit_breakers AS b SET
    state = 'closed',
    failures = 0,
    failing_entities = ARRAY[]::text[],
    pause_seconds = 0,
    retry_at = NULL,
    probed_by = NULL
FROM (
    SELECT state, failures, reason, opened_at
    FROM ops.circuit_breakers
    WHERE source_system = %(source_system)s
    FOR UPDATE
) AS before
WHERE b.source_system = %(source_system)s
    AND (b.state <> 'closed' OR b.failures > 0)
RETURNING before.state, before.failures, before.reason, before.opened_at
