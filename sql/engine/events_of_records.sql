-- Events that may be about some records: those that name one as theirs, and, unless
-- %(told_only)s, those that name nobody of ours, for the caller to look into.
-- %(entities)s and %(ids)s: entity and source id of each record, in the same order. At most
-- %(limit)s with ids behind %(after)s.
-- Returns id, entity_type, object_id, payload, dedupe_key, delivery_id, position, in order.
-- Reads only.
SELECT id, entity_type, object_id, payload, dedupe_key, delivery_id, position
FROM (
    SELECT
        v.id, v.entity_type, v.object_id, v.payload, v.dedupe_key, v.delivery_id,
        v.position
    FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS t (entity_type, source_id)
    JOIN staging.webhook_events AS v
        ON v.source_system = %(source_system)s
        AND v.entity_type = t.entity_type AND v.object_id = t.source_id
    WHERE v.redacted_at IS NULL OR v.state = 'pending'
    UNION ALL
    (
        -- Of those that are nobody's only as many as are asked for: they may be most.
        SELECT
            v.id, v.entity_type, v.object_id, v.payload, v.dedupe_key, v.delivery_id,
            v.position
        FROM staging.webhook_events AS v
        WHERE NOT %(told_only)s
            AND v.source_system = %(source_system)s
            AND (v.entity_type IS NULL OR v.object_id IS NULL)
            AND v.redacted_at IS NULL
            AND v.id > %(after)s
        ORDER BY v.id
        LIMIT %(limit)s
    )
) AS found
WHERE id > %(after)s
ORDER BY id
LIMIT %(limit)s
