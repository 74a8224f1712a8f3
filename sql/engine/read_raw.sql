-- One batch of live payloads of raw.{table}, by id, for a replay. Reads only.
-- Returns source_id, payload (text), payload_bytes, source_updated_at, fetched_at: at
-- most %(limit)s records, and no more once they exceed %(max_bytes)s characters.
SELECT source_id, payload, payload_bytes, source_updated_at, fetched_at
FROM (
    SELECT
        batch.*,
        sum(length(payload)) OVER (ORDER BY source_id) - length(payload) AS before
    FROM (
        SELECT
            source_id, payload::text AS payload, payload_bytes, source_updated_at,
            fetched_at
        FROM raw.{table}
        WHERE source_system = %(source_system)s AND NOT is_deleted
            AND source_id > %(after)s
        ORDER BY source_id
        LIMIT %(limit)s
    ) AS batch
) AS measured
WHERE before < %(max_bytes)s
ORDER BY source_id
