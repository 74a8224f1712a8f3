-- Empty the payloads of records of raw.{table}; the ids stay, marked as deleted.
-- Returns one row: erased. Safe to repeat: what is empty is not written.
WITH erased AS (
    UPDATE raw.{table} AS r SET
        payload = jsonb_build_object(),
        payload_bytes = NULL,
        payload_hash = '',
        source_updated_at = NULL,
        is_deleted = true,
        deleted_at = coalesce(r.deleted_at, clock_timestamp()),
        absent_since = NULL,
        job_id = coalesce(%(job_id)s, r.job_id)
    WHERE r.source_system = %(source_system)s AND r.source_id = ANY(%(ids)s)
        AND (
            r.payload <> jsonb_build_object()
            OR r.payload_bytes IS NOT NULL
            OR r.payload_hash <> ''
            OR r.source_updated_at IS NOT NULL
            OR NOT r.is_deleted
        )
    RETURNING 1
)
SELECT count(*) FROM erased
