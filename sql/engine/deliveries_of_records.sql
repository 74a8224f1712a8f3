-- Deliveries that brought events about some records which still have their values.
-- %(entities)s and %(ids)s: entity and source id of each record, in the same order. At most
-- %(limit)s with ids behind %(after)s. Returns id, body, content_type, in order. Reads only.
SELECT d.id, d.body, d.content_type
FROM staging.webhook_deliveries AS d
WHERE d.id > %(after)s
    AND d.id IN (
        SELECT v.delivery_id
        FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS t (entity_type, source_id)
        JOIN staging.webhook_events AS v
            ON v.source_system = %(source_system)s
            AND v.entity_type = t.entity_type AND v.object_id = t.source_id
        WHERE v.redacted_at IS NULL OR v.state = 'pending'
    )
ORDER BY d.id
LIMIT %(limit)s
