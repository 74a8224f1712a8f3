-- Compare the rows of temporary table {chunk} with warehouse.{table}, where the raw layer
-- ({raw_table}) holds the same payload. {differing}: the name of each column that differs;
-- {survivors}: the joins that put the survivor in place of a parent that was merged.
-- Returns one row for each difference: source_id, reason, fields. Reads only.
SELECT
    c.source_id,
    CASE WHEN w.id IS NULL OR w.is_deleted THEN 'row_missing' ELSE 'row_differs' END,
    CASE WHEN w.id IS NULL OR w.is_deleted THEN ARRAY[]::text[] ELSE named.fields END
FROM {chunk} AS c
JOIN LATERAL (
    SELECT * FROM raw.{raw_table} AS t
    WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
    LIMIT 1
) AS r ON NOT r.is_deleted AND r.payload_hash = c.payload_hash
    AND r.fetched_at <= c.observed_at
LEFT JOIN LATERAL (
    SELECT * FROM warehouse.{table} AS t
    WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
    LIMIT 1
) AS w ON true
{survivors}
CROSS JOIN LATERAL (
    SELECT array_remove(
        ARRAY[
            {differing}
            CASE WHEN w.sync_hash <> c.sync_hash THEN 'sync_hash' END
        ]::text[],
        NULL
    ) AS fields
) AS named
WHERE NOT c.rejected
    AND (w.id IS NULL OR w.is_deleted OR cardinality(named.fields) > 0)
