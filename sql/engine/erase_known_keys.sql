-- Delete what erased records said of themselves, now or ever, and what others say of them
-- by name. %(ids)s: source ids of the erased records.
-- Returns one row: deleted. Safe to repeat. The caller holds the known keys
-- (lock_links.sql): nobody names an erased record meanwhile.
WITH erased AS (
    DELETE FROM identity.known_keys AS t
    WHERE t.id = ANY(ARRAY(
        SELECT k.id FROM identity.known_keys AS k
        WHERE (
                k.said_until IS NULL
                AND k.source_system = %(source_system)s
                AND k.entity_type = %(entity_type)s
                AND k.source_id = ANY(%(ids)s)
            )
            OR (
                k.said_until IS NOT NULL  -- another index
                AND k.source_system = %(source_system)s
                AND k.entity_type = %(entity_type)s
                AND k.source_id = ANY(%(ids)s)
            )
            OR (
                k.key_kind = %(source_system)s || '.' || %(entity_type)s
                AND k.key_value = ANY(%(ids)s)
            )
        ORDER BY k.id
        FOR UPDATE
        ))
    RETURNING 1
)
SELECT count(*) FROM erased
