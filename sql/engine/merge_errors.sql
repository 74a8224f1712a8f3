-- Write the chunk's rejects and warnings into ops.sync_errors.
-- Returns one row: new_rejects, rejects that were not open before this chunk.
-- Safe to repeat: one row per record, severity and field; a reject that comes again
-- only counts up, a warning that is open already is written when its reason changed.
-- %(stored)s: the records come from stored data; the source did not send them again.
WITH known AS (
    SELECT e.*, s.id AS known_id, s.resolved AS was_resolved,
        (s.error_type, s.error_message, s.rule, s.tried_with)
            IS DISTINCT FROM (e.error_type, e.error_message, e.rule, %(tried_with)s)
            AS is_news
    FROM chunk_errors AS e
    LEFT JOIN LATERAL (
        SELECT * FROM ops.sync_errors AS o
        WHERE o.source_system = %(source_system)s AND o.entity_type = %(entity_type)s
            AND o.fingerprint = e.fingerprint AND o.severity = e.severity
            AND o.field = e.field
        LIMIT 1  -- one look-up per error, however many there are
    ) AS s ON true
),
written AS (
    INSERT INTO ops.sync_errors AS s (
        sync_job_id, source_system, entity_type, source_id, severity, error_type,
        error_message, record_data, field, fingerprint, rule, page, observed_at,
        tried_with
    )
    SELECT
        %(job_id)s, %(source_system)s, %(entity_type)s, k.source_id, k.severity,
        k.error_type, k.error_message, k.record_data, k.field, k.fingerprint, k.rule,
        k.page, k.observed_at, %(tried_with)s
    FROM known AS k
    WHERE k.severity = 'error' OR k.known_id IS NULL OR k.was_resolved OR k.is_news
    ON CONFLICT ON CONSTRAINT sync_errors_once DO UPDATE SET
        sync_job_id = CASE
            WHEN s.resolved THEN excluded.sync_job_id ELSE s.sync_job_id
        END,
        error_type = excluded.error_type,
        error_message = excluded.error_message,
        record_data = excluded.record_data,
        rule = excluded.rule,
        page = coalesce(excluded.page, s.page),  -- a replay knows of no page
        observed_at = excluded.observed_at,
        tried_with = excluded.tried_with,
        seen_count = s.seen_count + CASE WHEN %(stored)s THEN 0 ELSE 1 END,
        resolved = false,
        resolved_at = NULL,
        last_seen_at = CASE
            WHEN %(stored)s AND NOT s.resolved THEN s.last_seen_at ELSE clock_timestamp()
        END
    RETURNING 1
)
SELECT count(*) FILTER (
    WHERE severity = 'error' AND (known_id IS NULL OR was_resolved)
) AS new_rejects
FROM known
