-- Compare what a source says that records of an entity may have with what it said before,
-- remember it, and write down each difference.
-- Returns the differences; none when the entity is seen for the first time.
-- Safe to repeat: what was written down is remembered with it, and is no difference.
WITH told AS (
    SELECT t.property, t.type, t.label
    FROM jsonb_to_recordset(%(told)s) AS t (property text, type text, label text)
),
known AS (
    SELECT p.property, p.type, p.label, p.removed_at IS NULL AS lives
    FROM ops.source_properties AS p
    WHERE p.source_system = %(source_system)s AND p.entity_type = %(entity_type)s
),
both_sides AS (
    SELECT
        property,
        t.type AS new_type, t.label AS new_label, t.property IS NOT NULL AS is_told,
        k.type AS old_type, k.label AS old_label, coalesce(k.lives, false) AS lives
    FROM told AS t FULL JOIN known AS k USING (property)
),
differences AS (
    SELECT b.property, d.kind, d.old_value, d.new_value
    FROM both_sides AS b
    CROSS JOIN LATERAL (
        VALUES
            ('added', NULL, b.new_type, b.is_told AND NOT b.lives),
            ('removed', b.old_type, NULL, b.lives AND NOT b.is_told),
            ('retyped', b.old_type, b.new_type,
                b.is_told AND b.lives AND b.new_type <> b.old_type),
            ('relabelled', b.old_label, b.new_label,
                b.is_told AND b.lives AND b.new_label <> b.old_label)
    ) AS d (kind, old_value, new_value, holds)
    WHERE d.holds AND EXISTS (SELECT FROM known)
),
remembered AS (
    INSERT INTO ops.source_properties AS p (
        source_system, entity_type, property, type, label
    )
    SELECT %(source_system)s, %(entity_type)s, t.property, t.type, t.label
    FROM told AS t
    ON CONFLICT (source_system, entity_type, property) DO UPDATE SET
        type = excluded.type,
        label = excluded.label,
        removed_at = NULL
    WHERE (p.type, p.label) <> (excluded.type, excluded.label)
        OR p.removed_at IS NOT NULL
),
removed AS (
    UPDATE ops.source_properties AS p SET
        removed_at = clock_timestamp()
    FROM differences AS d
    WHERE d.kind = 'removed'
        AND p.source_system = %(source_system)s
        AND p.entity_type = %(entity_type)s
        AND p.property = d.property
)
INSERT INTO ops.schema_changes (
    source_system, entity_type, property, kind, old_value, new_value, columns, job_id
)
SELECT
    %(source_system)s, %(entity_type)s, d.property, d.kind, d.old_value, d.new_value,
    ARRAY(
        SELECT jsonb_array_elements_text(%(mapped)s::jsonb -> d.property)
    ),
    %(job_id)s
FROM differences AS d
ORDER BY d.property, d.kind
RETURNING property, kind, columns
