-- Add what was measured to the day's row of ops.webhook_gaps. Returns nothing.
-- What was measured before is not measured again: measured_until moves with it.
INSERT INTO ops.webhook_gaps AS g (
    source_system, entity_type, day, created, changed, deleted, changes_announced,
    changes_unannounced, measured_until, lost_at
)
SELECT
    %(source_system)s, %(entity_type)s, (%(measured_until)s AT TIME ZONE 'UTC')::date,
    m.created, m.changed, m.deleted, m.announced, m.unannounced, %(measured_until)s,
    CASE WHEN m.created + m.changed + m.deleted > 0 THEN clock_timestamp() END
FROM (
    SELECT %(created)s::integer AS created, %(changed)s::integer AS changed,
        %(deleted)s::integer AS deleted, %(changes_announced)s::integer AS announced,
        %(changes_unannounced)s::integer AS unannounced
) AS m
ON CONFLICT (source_system, entity_type, day) DO UPDATE SET
    created = g.created + excluded.created,
    changed = g.changed + excluded.changed,
    deleted = g.deleted + excluded.deleted,
    changes_announced = g.changes_announced + excluded.changes_announced,
    changes_unannounced = g.changes_unannounced + excluded.changes_unannounced,
    measured_until = excluded.measured_until,
    lost_at = coalesce(excluded.lost_at, g.lost_at)
