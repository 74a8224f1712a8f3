-- What maintenance does, what it may delete, and what webhooks did not announce.
-- Adds tables and a function to schema ops, two columns of the inbox, and indexes.
-- Applied once, in one transaction; a load of the release before, which bears no new
-- columns, stops at its next chunk and is resumed by the next sync. The indexes are built
-- inside the transaction, and writers of their tables wait meanwhile: the inbox and the
-- tables of jobs and errors were small before this release.

-- Finds what is at work, waits or died, however many jobs have ended.
CREATE INDEX sync_jobs_unfinished ON ops.sync_jobs (source_system, entity_type)
    WHERE status IN ('pending', 'running', 'waiting');
-- Finds what failed lately.
CREATE INDEX sync_jobs_failed ON ops.sync_jobs (completed_at) WHERE status = 'failed';

-- Whether a session of PostgreSQL executes a statement just now, and not for ever: its
-- process cannot say meanwhile that it lives. One that PostgreSQL waits for is not at work,
-- but stopped, or gone.
CREATE FUNCTION ops.is_at_work(backend integer)
RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE pid = backend AND state = 'active'
            AND wait_event_type IS DISTINCT FROM 'Client'
            AND query_start > clock_timestamp() - interval '10 minutes'
    )
$$;

CREATE TABLE ops.maintenance_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz,
    status text NOT NULL DEFAULT 'running',
    whole boolean NOT NULL,
    triggered_by text NOT NULL,
    dag_id text,
    run_id text,
    CONSTRAINT maintenance_runs_status CHECK (
        status IN (
            'running',  -- at work, or its process died
            'success',  -- running -> success: every act did its work
            'failed'    -- running -> failed: an act failed; the others did theirs
        )
    )
);
-- Finds the latest whole round.
CREATE INDEX maintenance_runs_whole ON ops.maintenance_runs (id DESC) WHERE whole;
COMMENT ON TABLE ops.maintenance_runs IS
    'Each record represents one round of maintenance. Example: when was the warehouse last looked after?';
COMMENT ON COLUMN ops.maintenance_runs.whole IS
    'Whether all acts were done for all sources, or only what cannot wait for the next hour, or for one source';

CREATE TABLE ops.maintenance_acts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    maintenance_run_id bigint NOT NULL
        REFERENCES ops.maintenance_runs (id) ON DELETE CASCADE,
    act text NOT NULL,
    source_system text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    found bigint NOT NULL,
    done bigint NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    duration_seconds double precision NOT NULL,
    error text
);
-- Finds when an act was last done.
CREATE INDEX maintenance_acts_act ON ops.maintenance_acts (act, source_system, at DESC);
CREATE INDEX maintenance_acts_run ON ops.maintenance_acts (maintenance_run_id);
COMMENT ON TABLE ops.maintenance_acts IS
    'Each record represents one act of one round. Example: what was healed last night?';
COMMENT ON COLUMN ops.maintenance_acts.source_system IS
    'Source concerned; empty: the whole warehouse';
COMMENT ON COLUMN ops.maintenance_acts.found IS 'How much there was to do';
COMMENT ON COLUMN ops.maintenance_acts.done IS 'How much of it was done, or begun elsewhere';
COMMENT ON COLUMN ops.maintenance_acts.details IS
    'Jobs taken up; figures by entity or table';
COMMENT ON COLUMN ops.maintenance_acts.error IS
    'Why the act failed; holds no values of people';

CREATE TABLE ops.job_recoveries (
    job_id bigint PRIMARY KEY REFERENCES ops.sync_jobs (id) ON DELETE CASCADE,
    tries integer NOT NULL,
    attempt integer NOT NULL,
    chunks integer NOT NULL,
    last_try_at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL
);
COMMENT ON TABLE ops.job_recoveries IS
    'Each record represents a job that maintenance took up, or tried to. Example: which jobs does it not get any further?';
COMMENT ON COLUMN ops.job_recoveries.tries IS
    'Tries since the job last got somewhere; at ten it is left to its next sync';
COMMENT ON COLUMN ops.job_recoveries.attempt IS
    'Attempt that it was at before the last try; the same one later: the try never got to it';
COMMENT ON COLUMN ops.job_recoveries.chunks IS 'Chunks that it had at the last try';

-- A task whose process died after its job's last commit is repeated, and finds its job.
ALTER TABLE ops.sync_jobs ADD COLUMN try_number integer;
COMMENT ON COLUMN ops.sync_jobs.try_number IS
    'Try of the Airflow task that last worked on the job; NULL: no task of Airflow''s did';

CREATE TABLE ops.webhook_gaps (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    day date NOT NULL,
    created integer NOT NULL DEFAULT 0,
    changed integer NOT NULL DEFAULT 0,
    deleted integer NOT NULL DEFAULT 0,
    measured_until timestamptz NOT NULL,
    lost_at timestamptz,
    full_load_asked_at timestamptz,
    PRIMARY KEY (source_system, entity_type, day)
);
COMMENT ON TABLE ops.webhook_gaps IS
    'Each record represents one day (UTC) of one entity whose changes are announced by webhook: what loads brought that no event had announced. Example: did webhooks get lost last week?';
COMMENT ON COLUMN ops.webhook_gaps.created IS 'New records that no event announced';
COMMENT ON COLUMN ops.webhook_gaps.changed IS
    'Changed records that no event announced, where most changes are announced';
COMMENT ON COLUMN ops.webhook_gaps.deleted IS 'Deletions that no event announced';
COMMENT ON COLUMN ops.webhook_gaps.measured_until IS
    'Loads were looked at up to this instant';
COMMENT ON COLUMN ops.webhook_gaps.lost_at IS
    'When a loss was last measured; a full load begun later closes the gap';

CREATE TABLE ops.retention (
    name text PRIMARY KEY,
    days integer NOT NULL,
    -- Nothing else is ever deleted.
    CONSTRAINT retention_name CHECK (
        name IN (
            'webhook_events', 'webhook_deliveries', 'sync_errors', 'sync_job_ids',
            'api_quota_usage', 'maintenance_runs'
        )
    ),
    CONSTRAINT retention_days CHECK (days >= 1),
    -- A merge asks what was settled since a page was read, which may be weeks ago.
    CONSTRAINT retention_inbox CHECK (name NOT LIKE 'webhook%' OR days >= 30)
);
COMMENT ON TABLE ops.retention IS
    'Each record represents how long maintenance keeps what is settled in one table';
INSERT INTO ops.retention (name, days) VALUES
    ('webhook_events', 90),
    ('webhook_deliveries', 90),
    ('sync_errors', 365),
    ('sync_job_ids', 14),
    ('api_quota_usage', 7),
    ('maintenance_runs', 90);

ALTER TABLE staging.webhook_deliveries
    ADD COLUMN retries integer NOT NULL DEFAULT 0,
    ADD COLUMN retried_at timestamptz;
COMMENT ON COLUMN staging.webhook_deliveries.retries IS
    'How often maintenance set it back from failed to pending';
COMMENT ON COLUMN staging.webhook_deliveries.retried_at IS 'When it did so last';

-- Find what is old.
CREATE INDEX webhook_events_settled ON staging.webhook_events (settled_at)
    WHERE state <> 'pending';
CREATE INDEX webhook_deliveries_exploded ON staging.webhook_deliveries (exploded_at)
    WHERE state <> 'pending';
CREATE INDEX sync_errors_resolved ON ops.sync_errors (resolved_at) WHERE resolved;
-- Finds the types of an entity's events, and the first one of each.
CREATE INDEX webhook_events_type
    ON staging.webhook_events (source_system, entity_type, event_type, created_at);
