-- Records that the longest pending webhook events announce, each once, in that order.
-- Looks at %(limit)s events at most, so that a long queue costs no more than a short one.
-- %(left_out)s: entities that cannot be read just now.
-- Returns entity_type, object_id. Reads only.
SELECT entity_type, object_id
FROM (
    SELECT id, entity_type, object_id
    FROM staging.webhook_events
    WHERE source_system = %(source_system)s AND state = 'pending'
        AND NOT entity_type = ANY(%(left_out)s)
    ORDER BY id
    LIMIT %(limit)s
) AS oldest
GROUP BY entity_type, object_id
ORDER BY min(id)
