-- Count one request that failed because the source seemed down. Returns nothing.
-- Not to be repeated: each call is one failure. Holds the breaker's row for the rest of
-- its transaction, so that two failures cannot both be the one that opens it.
INSERT INTO ops.circuit_breakers AS b (
    source_system, failures, failing_entities, failed_at, reason
)
VALUES (
    %(source_system)s, 1, ARRAY[%(entity_type)s::text], clock_timestamp(), %(reason)s
)
ON CONFLICT (source_system) DO UPDATE SET
    failures = b.failures + 1,
    failing_entities = CASE
        WHEN %(entity_type)s = ANY(b.failing_entities) THEN b.failing_entities
        ELSE b.failing_entities || %(entity_type)s::text
    END,
    failed_at = clock_timestamp(),
    reason = excluded.reason
