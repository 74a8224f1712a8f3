-- What the warehouse knows about its own work: jobs, errors, quota, settings, audit.
-- Creates schema ops. Applied once, in one transaction, by `crm_warehouse migrate`.

CREATE SCHEMA ops;
COMMENT ON SCHEMA ops IS 'Runs, errors, quota, configuration and audit of the loads';

CREATE TABLE ops.sync_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    job_type text NOT NULL,
    via text NOT NULL,
    status text NOT NULL,
    arguments jsonb NOT NULL DEFAULT '{}',
    triggered_by text NOT NULL,
    dag_id text,
    run_id text,
    attempt integer NOT NULL DEFAULT 1,
    backend_pid integer,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz,
    resume_at timestamptz,
    window_start timestamptz,
    window_end timestamptz,
    checkpoint jsonb,
    chunks integer NOT NULL DEFAULT 0,
    records_received bigint NOT NULL DEFAULT 0,
    records_repeated bigint NOT NULL DEFAULT 0,
    records_processed bigint NOT NULL DEFAULT 0,
    records_created bigint NOT NULL DEFAULT 0,
    records_updated bigint NOT NULL DEFAULT 0,
    records_unchanged bigint NOT NULL DEFAULT 0,
    records_deleted bigint NOT NULL DEFAULT 0,
    records_failed bigint NOT NULL DEFAULT 0,
    new_rejects bigint NOT NULL DEFAULT 0,
    warnings bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    last_processed_timestamp timestamptz,
    error_type text,
    error_message text,
    CONSTRAINT sync_jobs_job_type CHECK (job_type IN ('incremental', 'full', 'replay')),
    CONSTRAINT sync_jobs_via CHECK (via IN ('api', 'database', 'csv')),
    CONSTRAINT sync_jobs_status CHECK (
        status IN (
            'pending',  -- asked for, not begun
            'running',  -- pending|waiting|failed -> running, each time attempt + 1
            'waiting',  -- running -> waiting for quota until resume_at
            'success',  -- running -> success: every record is in the warehouse
            'partial',  -- running -> partial: as success, but with new rejects
            'failed'    -- running|waiting -> failed: error_type says why
        )
    )
);
-- Finds the job to resume, and the last one of a source and entity.
CREATE INDEX sync_jobs_entity ON ops.sync_jobs (source_system, entity_type, id DESC);
-- Counts the jobs of a day.
CREATE INDEX sync_jobs_completed
    ON ops.sync_jobs (source_system, entity_type, completed_at);
-- Finds the job of an Airflow run that comes again.
CREATE INDEX sync_jobs_run ON ops.sync_jobs (dag_id, run_id) WHERE run_id IS NOT NULL;
COMMENT ON TABLE ops.sync_jobs IS
    'Each record represents one sync of one entity; a resumed sync keeps its record. Example: how many contacts did last night''s load create?';
COMMENT ON COLUMN ops.sync_jobs.attempt IS
    'Fencing token: only the process that began this attempt may commit chunks';
COMMENT ON COLUMN ops.sync_jobs.records_received IS
    'Records in answers plus absences found; = records_processed + records_repeated';
COMMENT ON COLUMN ops.sync_jobs.records_processed IS
    'Distinct records; = created + updated + unchanged + deleted + failed';
COMMENT ON COLUMN ops.sync_jobs.window_start IS
    'Changes from this instant on were read; NULL: everything';
COMMENT ON COLUMN ops.sync_jobs.window_end IS
    'The source''s clock when the job began; becomes the watermark';

CREATE TABLE ops.sync_job_ids (
    job_id bigint NOT NULL REFERENCES ops.sync_jobs (id) ON DELETE CASCADE,
    chunk integer NOT NULL,
    ids text[] NOT NULL,
    PRIMARY KEY (job_id, chunk)
);
COMMENT ON TABLE ops.sync_job_ids IS
    'Each record represents one committed chunk of an unfinished job and the ids seen in it; emptied when the job ends';

CREATE TABLE ops.watermarks (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    via text NOT NULL,
    watermark timestamptz NOT NULL,
    job_id bigint NOT NULL REFERENCES ops.sync_jobs (id),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_system, entity_type, via)
);
COMMENT ON TABLE ops.watermarks IS
    'Each record represents how far one entity was read completely, by source clock';

CREATE TABLE ops.sync_errors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_job_id bigint NOT NULL REFERENCES ops.sync_jobs (id),
    source_system text NOT NULL,
    entity_type text NOT NULL,
    source_id text,
    severity text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    stack_trace text,
    record_data text,
    field text NOT NULL DEFAULT '',
    fingerprint text NOT NULL,
    seen_count integer NOT NULL DEFAULT 1,
    retry_count integer NOT NULL DEFAULT 0,
    resolved boolean NOT NULL DEFAULT false,
    resolved_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT sync_errors_severity CHECK (
        severity IN (
            'error',    -- the record is not in the warehouse, or the job failed
            'warning'   -- the record is in the warehouse, one of its fields is not
        )
    ),
    CONSTRAINT sync_errors_once UNIQUE (
        source_system, entity_type, fingerprint, severity, field
    )
);
-- Finds what a good record resolves, and what is open.
CREATE INDEX sync_errors_open ON ops.sync_errors (source_system, entity_type, fingerprint)
    WHERE NOT resolved;
CREATE INDEX sync_errors_job ON ops.sync_errors (sync_job_id);
COMMENT ON TABLE ops.sync_errors IS
    'Each record represents a rejected record, a field that could not be used, or a failed job. Example: which appointments have no usable date?';
COMMENT ON COLUMN ops.sync_errors.record_data IS
    'The rejected record as JSON text; characters that PostgreSQL refuses are escaped';
COMMENT ON COLUMN ops.sync_errors.fingerprint IS
    'The source id (id:…), the payload hash (sha256:…) of a record without one, or job:<id>';
COMMENT ON COLUMN ops.sync_errors.field IS 'Unified column concerned; empty: the record';

CREATE TABLE ops.sync_metrics (
    date date NOT NULL,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    total_syncs integer NOT NULL DEFAULT 0,
    successful_syncs integer NOT NULL DEFAULT 0,
    failed_syncs integer NOT NULL DEFAULT 0,
    avg_duration double precision NOT NULL DEFAULT 0,
    total_records bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (date, source_system, entity_type)
);
COMMENT ON TABLE ops.sync_metrics IS
    'Each record represents one day (UTC) of one entity; partial syncs count as successful; avg_duration is in seconds';

CREATE TABLE ops.sync_configurations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    config jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    schedule text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, entity_type),
    CONSTRAINT sync_configurations_object CHECK (jsonb_typeof(config) = 'object')
);
COMMENT ON TABLE ops.sync_configurations IS
    'Each record represents the settings of one entity that may change without a deploy; they beat the YAML and lose to run parameters';
COMMENT ON COLUMN ops.sync_configurations.schedule IS
    'Copy of the YAML''s cron for readers; changing it here changes nothing';

CREATE TABLE ops.source_specs (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    spec jsonb NOT NULL,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    job_id bigint NOT NULL REFERENCES ops.sync_jobs (id),
    PRIMARY KEY (source_system, entity_type)
);
COMMENT ON TABLE ops.source_specs IS
    'Each record represents the definition that the latest job of an entity ran with';

CREATE TABLE ops.api_quota (
    source_system text NOT NULL,
    name text NOT NULL,
    limit_requests integer NOT NULL,
    per_seconds double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_system, name)
);
COMMENT ON TABLE ops.api_quota IS
    'Each record represents one limit of one source account; all processes share it';

CREATE TABLE ops.api_quota_usage (
    source_system text NOT NULL,
    name text NOT NULL,
    bucket timestamptz NOT NULL,
    used integer NOT NULL,
    PRIMARY KEY (source_system, name, bucket),
    FOREIGN KEY (source_system, name) REFERENCES ops.api_quota ON DELETE CASCADE
);
COMMENT ON TABLE ops.api_quota_usage IS
    'Each record represents the requests of one sixtieth of a quota''s window; older ones are deleted';

CREATE TABLE ops.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT current_user,
    action text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_object ON ops.audit_log (object_type, object_id, id);
COMMENT ON TABLE ops.audit_log IS
    'Each record represents one act: a job begun, resumed, ended; a setting changed. Only ever appended to; holds no values of people';

CREATE FUNCTION ops.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();

CREATE FUNCTION ops.audit_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'updated_at' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'updated_at' END;
BEGIN
    IF before IS DISTINCT FROM after THEN
        INSERT INTO ops.audit_log (action, object_type, object_id, details)
        VALUES (
            'configuration.' || lower(TG_OP), 'sync_configuration',
            coalesce(after, before) ->> 'name',
            jsonb_strip_nulls(jsonb_build_object('before', before, 'after', after))
        );
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sync_configurations_audit
    AFTER INSERT OR UPDATE OR DELETE ON ops.sync_configurations
    FOR EACH ROW EXECUTE FUNCTION ops.audit_configuration();

-- Takes one request of every quota of a source account, or says how long to wait.
-- Returns 0 when the request was counted, else seconds until it may be asked again
-- (nothing is counted then). The window slides in sixtieths and counts the oldest
-- bucket whole, so that no window of the source ever holds more than the limit.
-- Two callers cannot both take the last request: the rows of ops.api_quota are locked.
CREATE FUNCTION ops.take_quota(account text) RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    quota record;
    wait double precision := 0;
    used_now bigint;
    free_at timestamptz;
    moment timestamptz;
BEGIN
    PERFORM 1 FROM ops.api_quota WHERE source_system = account ORDER BY name FOR UPDATE;
    moment := clock_timestamp();
    FOR quota IN SELECT * FROM ops.api_quota WHERE source_system = account LOOP
        -- Running sum from the newest bucket back: the bucket in which it reaches the
        -- limit must leave the window before another request fits.
        SELECT max(bucket + make_interval(secs => quota.per_seconds * 61 / 60)) INTO free_at
        FROM (
            SELECT bucket, sum(used) OVER (ORDER BY bucket DESC) AS running
            FROM ops.api_quota_usage
            WHERE source_system = account AND name = quota.name
                AND bucket > moment - make_interval(secs => quota.per_seconds * 61 / 60)
        ) AS recent
        WHERE running >= quota.limit_requests;
        wait := greatest(wait, coalesce(extract(epoch FROM free_at - moment), 0));
    END LOOP;
    IF wait > 0 THEN
        RETURN wait;
    END IF;
    WITH counted AS (
        INSERT INTO ops.api_quota_usage AS u (source_system, name, bucket, used)
        SELECT account, q.name,
            to_timestamp(floor(extract(epoch FROM moment) * 60 / q.per_seconds) * q.per_seconds / 60), 1
        FROM ops.api_quota q WHERE q.source_system = account
        ON CONFLICT (source_system, name, bucket) DO UPDATE SET used = u.used + 1
        RETURNING u.used
    )
    SELECT min(used) INTO used_now FROM counted;
    IF used_now = 1 THEN
        DELETE FROM ops.api_quota_usage u USING ops.api_quota q
        WHERE u.source_system = account AND q.source_system = account AND q.name = u.name
            AND u.bucket < moment - make_interval(secs => q.per_seconds * 2);
    END IF;
    RETURN 0;
END $$;
