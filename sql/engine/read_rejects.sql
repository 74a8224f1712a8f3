-- One batch of open rejects whose record raw.{table} does not hold: without an id, or
-- refused by PostgreSQL. By fingerprint, for a reprocessing. Reads only.
-- Returns fingerprint, record_data, observed_at: at most %(limit)s, and no more once
-- they exceed %(max_bytes)s characters. %(ids)s: only these errors; NULL: all.
SELECT fingerprint, record_data, observed_at
FROM (
    SELECT
        batch.*,
        sum(length(record_data)) OVER (ORDER BY fingerprint) - length(record_data)
            AS before
    FROM (
        SELECT DISTINCT ON (s.fingerprint)
            s.fingerprint, s.record_data,
            -- Earlier releases kept no time. It was no earlier; so it wins over nothing.
            coalesce(s.observed_at, s.created_at) AS observed_at
        FROM ops.sync_errors AS s
        WHERE NOT s.resolved
            AND s.source_system = %(source_system)s
            AND s.entity_type = %(entity_type)s
            AND s.sync_job_id <> %(job_id)s  -- opened by this job itself
            AND s.severity = 'error'
            AND s.record_data IS NOT NULL
            AND s.rule IS DISTINCT FROM 'built-in:csv'  -- a line that is no record
            AND s.fingerprint > %(after)s
            AND (%(ids)s::bigint[] IS NULL OR s.id = ANY(%(ids)s))
            AND (
                s.source_id IS NULL
                OR s.error_type = 'refused_by_warehouse'
                OR NOT EXISTS (
                    SELECT FROM raw.{table} AS r
                    WHERE r.source_system = %(source_system)s
                        AND r.source_id = s.source_id
                )
            )
        ORDER BY s.fingerprint, s.last_seen_at DESC
        LIMIT %(limit)s
    ) AS batch
) AS measured
WHERE before < %(max_bytes)s
ORDER BY fingerprint
