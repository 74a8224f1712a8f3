-- Compare the chunk's records with raw.{table}: who is missing there, deleted there,
-- different there, or only set aside. What raw observed later than the chunk is left out:
-- it is the newer one.
-- %(gone)s: source ids of records that say of themselves that they were deleted; they must
-- not live here.
-- Returns one row for each difference: source_id, reason, fields. Reads only.
SELECT c.source_id, found.reason, ARRAY[]::text[] AS fields
FROM chunk AS c
LEFT JOIN LATERAL (
    SELECT * FROM raw.{table} AS t
    WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
    LIMIT 1  -- one look-up per record, whatever the planner knows of the table
) AS r ON true
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN c.source_id = ANY(%(gone)s)
            THEN CASE WHEN NOT r.is_deleted THEN 'fields_differ' END
        WHEN r.source_id IS NULL THEN 'missing_here'
        WHEN r.is_deleted THEN 'deleted_here'
        WHEN r.payload_hash <> c.payload_hash THEN 'fields_differ'
        WHEN NOT c.rejected THEN NULL
        WHEN EXISTS (
            SELECT FROM ops.sync_errors AS e
            WHERE e.source_system = %(source_system)s
                AND e.entity_type = %(entity_type)s
                AND e.fingerprint = 'id:' || c.source_id
                AND e.severity = 'error'
                AND NOT e.resolved
        ) THEN 'quarantined'
        ELSE 'reject_missing'
    END AS reason
) AS found
WHERE found.reason IS NOT NULL
    AND coalesce(r.fetched_at <= c.observed_at, true)
