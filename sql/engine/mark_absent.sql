-- Remember first absences, and forget those of records that came again.
-- Returns nothing. Safe to repeat: a first absence keeps its time.
UPDATE raw.{raw_table} AS r SET
    absent_since = CASE WHEN r.source_id = ANY(%(absent)s) THEN clock_timestamp() END
WHERE r.source_system = %(source_system)s
    AND NOT r.is_deleted
    AND (
        (r.source_id = ANY(%(absent)s) AND r.absent_since IS NULL)
        OR (r.absent_since IS NOT NULL AND NOT r.source_id = ANY(%(absent)s))
    )
