-- Rows that live in warehouse.{table} although raw.{raw_table} has no live record of that
-- id. Returns one row each: source_id. Reads only.
SELECT w.source_id
FROM warehouse.{table} AS w
WHERE w.source_system = %(source_system)s
    AND NOT w.is_deleted
    AND NOT EXISTS (
        SELECT FROM raw.{raw_table} AS r
        WHERE r.source_system = %(source_system)s
            AND r.source_id = w.source_id
            AND NOT r.is_deleted
    )
ORDER BY w.source_id
