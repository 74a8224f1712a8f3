-- Mark records of raw.{table} as deleted that the source does not have any more.
-- %(asked_at)s: when the source was asked; a record that a webhook found since then lives:
-- its event was merged, which those that failed, or that a person settled, do not say.
-- Returns their source ids. Safe to repeat: live rows only.
UPDATE raw.{table} AS r SET
    is_deleted = true,
    deleted_at = clock_timestamp(),
    absent_since = NULL,
    job_id = %(job_id)s
WHERE r.source_system = %(source_system)s
    AND r.source_id = ANY(%(ids)s)
    AND NOT r.is_deleted
    AND r.fetched_at < %(asked_at)s
    AND NOT EXISTS (
        SELECT FROM staging.webhook_events AS e
        WHERE e.source_system = %(source_system)s
            AND e.entity_type = %(entity_type)s
            AND e.object_id = r.source_id
            AND e.settled_at > %(asked_at)s
            AND e.state = 'merged'
            AND NOT e.is_gone
            AND e.job_id IS DISTINCT FROM %(job_id)s
    )
RETURNING r.source_id
