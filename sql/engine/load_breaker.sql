-- Whether a source account may be asked. Reads only.
-- Returns one row, or none when the account never failed: seconds since it last failed,
-- and for how many this entity must not probe yet. Those whose requests failed let others
-- go first.
SELECT
    state,
    failures,
    reason,
    extract(epoch FROM clock_timestamp() - failed_at)::double precision AS failed_ago,
    extract(epoch FROM retry_at - clock_timestamp())::double precision
        + CASE
            WHEN state = 'open' AND %(entity_type)s = ANY(failing_entities)
            THEN %(yield_seconds)s
            ELSE 0
        END AS wait_seconds
FROM ops.circuit_breakers
WHERE source_system = %(source_system)s
