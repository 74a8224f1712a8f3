-- Open a source account's breaker, when enough requests in a row failed, of enough
-- entities; and again for twice as long, when the probe of this entity failed.
-- Returns whether it was closed before, with failures and reason; no row when it stays as
-- it is: requests that were under way when it opened change nothing. Safe to repeat.
UPDATE ops.circuit_breakers AS b SET
    state = 'open',
    opened_at = CASE WHEN b.state = 'closed' THEN clock_timestamp() ELSE b.opened_at END,
    pause_seconds = pause.seconds,
    retry_at = clock_timestamp() + make_interval(secs => pause.seconds)
FROM (
    SELECT
        state = 'closed' AS was_closed,
        CASE state
            WHEN 'closed' THEN %(first_pause_seconds)s
            ELSE least(pause_seconds * 2, %(longest_pause_seconds)s)
        END AS seconds
    FROM ops.circuit_breakers
    WHERE source_system = %(source_system)s
    FOR UPDATE
) AS pause
WHERE b.source_system = %(source_system)s
    AND (
        (
            b.state = 'closed'
            AND b.failures >= %(most_failures)s
            AND cardinality(b.failing_entities) >= %(least_entities)s
        )
        OR (b.state = 'half_open' AND b.probed_by = %(entity_type)s)
    )
RETURNING pause.was_closed, b.failures, b.reason
