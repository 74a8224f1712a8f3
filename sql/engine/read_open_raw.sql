-- One batch of records of raw.{table} with an open reject or warning, by fingerprint,
-- for a reprocessing. Reads only. What PostgreSQL refused is in read_rejects.sql.
-- Returns fingerprint, and as read_raw.sql source_id, payload (text), payload_bytes,
-- source_updated_at, fetched_at: at most %(limit)s records, and no more once they
-- exceed %(max_bytes)s characters. %(ids)s: only these errors; NULL: all.
SELECT fingerprint, source_id, payload, payload_bytes, source_updated_at, fetched_at
FROM (
    SELECT
        batch.*,
        sum(length(payload)) OVER (ORDER BY fingerprint) - length(payload) AS before
    FROM (
        SELECT
            open.fingerprint, r.source_id, r.payload::text AS payload, r.payload_bytes,
            r.source_updated_at, r.fetched_at
        FROM (
            SELECT DISTINCT s.fingerprint, s.source_id
            FROM ops.sync_errors AS s
            WHERE NOT s.resolved
                AND s.source_system = %(source_system)s
                AND s.entity_type = %(entity_type)s
                AND s.sync_job_id <> %(job_id)s  -- opened by this job itself
                AND s.source_id IS NOT NULL
                AND s.error_type <> 'refused_by_warehouse'
                AND s.fingerprint > %(after)s
                AND (%(ids)s::bigint[] IS NULL OR s.id = ANY(%(ids)s))
        ) AS open
        JOIN raw.{table} AS r
            ON r.source_system = %(source_system)s AND r.source_id = open.source_id
            AND NOT r.is_deleted
        ORDER BY open.fingerprint
        LIMIT %(limit)s
    ) AS batch
) AS measured
WHERE before < %(max_bytes)s
ORDER BY fingerprint
