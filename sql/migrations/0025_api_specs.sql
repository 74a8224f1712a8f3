-- Keeps the definition of an entity's latest job by API beside that of its latest job by any
-- way in: only by API does a source forget. Adds a column that may be empty, and makes
-- ops.horizons anew. Applied once, in one transaction; a process of the release before
-- goes on, and leaves the column as it is.

ALTER TABLE ops.source_specs ADD COLUMN api_spec jsonb;
COMMENT ON COLUMN ops.source_specs.api_spec IS
    'Likewise of its latest job by API; NULL: none ran since it is kept';

UPDATE ops.source_specs AS s SET api_spec = s.spec
FROM ops.sync_jobs AS j
WHERE j.id = s.job_id AND j.via = 'api';

CREATE OR REPLACE VIEW ops.horizons AS
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
        (coalesce(api_spec, spec) #>> '{source,horizon}')::double precision AS horizon,
        (coalesce(api_spec, spec) #>> '{source,horizon_alarm}')::double precision AS alarm
    FROM ops.source_specs
) AS s USING (source_system, entity_type)
WHERE w.via = 'api' AND s.horizon IS NOT NULL;
