-- Records that pending events say were erased for the sake of privacy, in that order.
-- Returns entity_type, object_id. Reads only.
SELECT entity_type, object_id
FROM staging.webhook_events
WHERE source_system = %(source_system)s AND state = 'pending' AND erases
GROUP BY entity_type, object_id
ORDER BY min(id)
