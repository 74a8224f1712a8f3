-- How long until a source forgets what was not read. Adds a view to schema ops.
-- Applied once, in one transaction.

CREATE VIEW ops.horizons AS
SELECT
    w.source_system,
    w.entity_type,
    w.watermark,
    w.watermark + make_interval(secs => s.alarm) AS alarm_at,
    w.watermark + make_interval(secs => s.horizon) AS lost_at,
    CASE
        WHEN now() >= w.watermark + make_interval(secs => s.horizon) THEN 'lost'
        WHEN now() >= w.watermark + make_interval(secs => s.alarm) THEN 'alarm'
        ELSE 'ok'
    END AS state,
    w.job_id
FROM ops.watermarks AS w
JOIN (
    SELECT
        source_system,
        entity_type,
        (spec #>> '{source,horizon}')::double precision AS horizon,
        (spec #>> '{source,horizon_alarm}')::double precision AS alarm
    FROM ops.source_specs
) AS s USING (source_system, entity_type)
WHERE w.via = 'api' AND s.horizon IS NOT NULL;
COMMENT ON VIEW ops.horizons IS
    'Each record represents one entity of a source that keeps its records for a while only. Example: what must be read soon, or is lost?';
COMMENT ON COLUMN ops.horizons.watermark IS 'Up to when it was read completely';
COMMENT ON COLUMN ops.horizons.alarm_at IS 'From then on there is an alarm';
COMMENT ON COLUMN ops.horizons.lost_at IS
    'From then on the source forgets what was not read';
COMMENT ON COLUMN ops.horizons.state IS 'ok, alarm, or lost';
COMMENT ON COLUMN ops.horizons.job_id IS 'Job in ops.sync_jobs that moved the watermark';
