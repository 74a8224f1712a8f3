-- Records that the longest pending webhook events announce, each once, in that order.
-- Looks at %(limit)s events at most, behind number %(after)s, so that a long queue costs no
-- more than a short one, and one of an entity that rests is passed once a merge.
-- %(entities)s: entities that can be read just now; a replay may have set events of others
-- back to pending since the merge began, which the next one settles.
-- Returns entity_type, object_id, and the number of the last event that was looked at.
-- Reads only.
SELECT entity_type, object_id, max(max(id)) OVER () AS looked_at
FROM (
    SELECT id, entity_type, object_id
    FROM staging.webhook_events
    WHERE source_system = %(source_system)s AND state = 'pending'
        AND entity_type = ANY(%(entities)s) AND object_id <> ''
        AND id > %(after)s
    ORDER BY id
    LIMIT %(limit)s
) AS oldest
GROUP BY entity_type, object_id
ORDER BY min(id)
