-- Write the chunk's rejects and warnings into ops.sync_errors.
-- Returns one row: new_rejects, rejects that were not open before this chunk.
-- Safe to repeat: one row per record, severity and field; a reject that comes again
-- only counts up, a warning that is open already is not written.
WITH known AS (
    SELECT e.*, s.id AS known_id, s.resolved AS was_resolved
    FROM chunk_errors AS e
    LEFT JOIN ops.sync_errors AS s
        ON s.source_system = %(source_system)s AND s.entity_type = %(entity_type)s
        AND s.fingerprint = e.fingerprint AND s.severity = e.severity
        AND s.field = e.field
),
written AS (
    INSERT INTO ops.sync_errors AS s (
        sync_job_id, source_system, entity_type, source_id, severity, error_type,
        error_message, record_data, field, fingerprint
    )
    SELECT
        %(job_id)s, %(source_system)s, %(entity_type)s, k.source_id, k.severity,
        k.error_type, k.error_message, k.record_data, k.field, k.fingerprint
    FROM known AS k
    WHERE k.severity = 'error' OR k.known_id IS NULL OR k.was_resolved
    ON CONFLICT ON CONSTRAINT sync_errors_once DO UPDATE SET
        sync_job_id = CASE
            WHEN s.resolved THEN excluded.sync_job_id ELSE s.sync_job_id
        END,
        error_type = excluded.error_type,
        error_message = excluded.error_message,
        record_data = excluded.record_data,
        seen_count = s.seen_count + 1,
        resolved = false,
        resolved_at = NULL,
        last_seen_at = clock_timestamp()
    RETURNING 1
)
SELECT count(*) FILTER (
    WHERE severity = 'error' AND (known_id IS NULL OR was_resolved)
) AS new_rejects
FROM known
