-- Lets an index find what one record says: identity.said_keys is made anew in two halves, the
-- statements of living records, and those of merged ones for their survivors. Columns and
-- rows stay. Applied once, in one transaction; nothing else is changed.

CREATE OR REPLACE VIEW identity.said_keys AS
SELECT
    k.id,
    k.source_system,
    k.entity_type,
    k.source_id AS said_by,
    k.source_id,
    e.unified_table,
    k.key_kind,
    k.key_value,
    k.said_from,
    k.job_id
FROM identity.known_keys AS k
LEFT JOIN identity.entities AS e
    ON e.source_system = k.source_system AND e.entity_type = k.entity_type
WHERE k.said_until IS NULL
UNION ALL
-- What a record said last before it was merged, it says for its survivor.
SELECT
    k.id,
    k.source_system,
    k.entity_type,
    k.source_id,
    m.survivor_source_id,
    e.unified_table,
    k.key_kind,
    k.key_value,
    k.said_from,
    k.job_id
FROM identity.known_keys AS k
JOIN identity.entities AS e
    ON e.source_system = k.source_system AND e.entity_type = k.entity_type
JOIN warehouse.merged_records AS m
    ON m.source_system = k.source_system
    AND m.unified_table = e.unified_table
    AND m.source_id = k.source_id
WHERE k.said_until IS NOT NULL
    AND k.end_reason = 'gone'
    AND k.end_job_id = (
        SELECT max(l.end_job_id) FROM identity.known_keys AS l
        WHERE l.source_system = k.source_system
            AND l.entity_type = k.entity_type
            AND l.source_id = k.source_id
            AND l.said_until IS NOT NULL
            AND l.end_reason = 'gone'
    );
