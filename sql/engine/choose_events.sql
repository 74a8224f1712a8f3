-- Webhook events to be replayed or discarded, by number, behind %(after)s. {filter}: a
-- condition on e and d (engine/inbox_choice.py). Reads only.
-- Returns at most %(limit)s rows: id, source_system, entity_type, delivery_id, state;
-- usable: it names a record of ours; erased: that record was erased; telling: it says that
-- records were merged or erased.
SELECT
    e.id, e.source_system, e.entity_type, e.delivery_id, e.state,
    e.entity_type IS NOT NULL AND e.object_id IS NOT NULL AS usable,
    e.redacted_at IS NOT NULL OR EXISTS (
        SELECT FROM ops.erased_records AS r
        WHERE r.source_system = e.source_system
            AND r.entity_type = e.entity_type AND r.source_id = e.object_id
    ) AS erased,
    e.merged_into IS NOT NULL
        OR coalesce(e.event_type ~ %(telling)s, false) AS telling
FROM staging.webhook_events AS e
LEFT JOIN staging.webhook_deliveries AS d ON d.id = e.delivery_id
WHERE {filter} AND e.id > %(after)s
ORDER BY e.id
LIMIT %(limit)s
