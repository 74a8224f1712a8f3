-- Records that pending webhook events announce, each once, longest waiting first.
-- Returns entity_type, object_id: at most %(limit)s. Reads only.
SELECT entity_type, object_id
FROM staging.webhook_events
WHERE source_system = %(source_system)s AND state = 'pending'
GROUP BY entity_type, object_id
ORDER BY min(id)
LIMIT %(limit)s
