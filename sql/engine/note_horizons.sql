-- Write into ops.sync_errors, as warnings, which entities of a source system must be read
-- soon, or are not read any more before the source forgets, and close those of the others.
-- Returns one row each: entity_type, watermark, lost_at, state (alarm or lost).
-- Safe to repeat: a warning that is open already is only brought up to date.
WITH behind AS (
    SELECT * FROM ops.horizons
    WHERE source_system = %(source_system)s AND state <> 'ok'
),
noted AS (
    INSERT INTO ops.sync_errors AS s (
        sync_job_id, source_system, entity_type, severity, error_type, error_message,
        fingerprint
    )
    SELECT
        job_id, source_system, entity_type, 'warning', 'horizon',
        format(
            'read completely only up to %%s; what was not read is lost from %%s on',
            to_char(watermark AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
            to_char(lost_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
        ),
        'horizon'
    FROM behind
    ON CONFLICT ON CONSTRAINT sync_errors_once DO UPDATE SET
        sync_job_id = excluded.sync_job_id,
        error_message = excluded.error_message,
        seen_count = s.seen_count + 1,
        resolved = false,
        resolved_at = NULL,
        last_seen_at = clock_timestamp()
),
closed AS (
    UPDATE ops.sync_errors SET resolved = true, resolved_at = clock_timestamp()
    WHERE NOT resolved
        AND source_system = %(source_system)s
        AND fingerprint = 'horizon'
        AND entity_type <> ALL (SELECT entity_type FROM behind)
)
SELECT entity_type, watermark, lost_at, state FROM behind
ORDER BY entity_type
