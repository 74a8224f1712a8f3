-- Records that are to be erased, as events of whatever state say: the source erased them
-- for the sake of privacy, or merged them with a record that was erased. An event of
-- another account (failed) says nothing, nor does one that a person discarded.
-- Returns entity_type, source_id, reason; in the order in which it was told. Reads only.
WITH told AS (
    SELECT id, entity_type, object_id AS source_id, 'source' AS reason
    FROM staging.webhook_events
    WHERE source_system = %(source_system)s
        AND event_type LIKE '%%.privacyDeletion'
        AND state NOT IN ('failed', 'discarded')
    UNION ALL
    SELECT v.id, v.entity_type, v.object_id, 'merge'
    FROM staging.webhook_events AS v
    JOIN ops.erased_records AS e
        ON e.source_system = v.source_system AND e.entity_type = v.entity_type
        AND e.source_id = v.merged_into
    WHERE v.source_system = %(source_system)s
        AND v.merged_into IS NOT NULL
        AND v.state NOT IN ('failed', 'discarded')
    UNION ALL
    SELECT v.id, v.entity_type, v.merged_into, 'merge'
    FROM staging.webhook_events AS v
    JOIN ops.erased_records AS e
        ON e.source_system = v.source_system AND e.entity_type = v.entity_type
        AND e.source_id = v.object_id
    WHERE v.source_system = %(source_system)s
        AND v.merged_into IS NOT NULL
        AND v.state NOT IN ('failed', 'discarded')
)
SELECT entity_type, source_id, (array_agg(reason ORDER BY id))[1]
FROM told AS t
WHERE entity_type IS NOT NULL
    AND source_id IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM ops.erased_records AS e
        WHERE e.source_system = %(source_system)s
            AND e.entity_type = t.entity_type AND e.source_id = t.source_id
    )
GROUP BY entity_type, source_id
ORDER BY min(id)
