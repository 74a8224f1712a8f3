-- What comparing a whole source with the warehouse found. Adds two tables to schema ops, a
-- kind of job, and how long both are kept. Applied once, in one transaction; a process of
-- the release before goes on working.

ALTER TABLE ops.sync_jobs
    DROP CONSTRAINT sync_jobs_job_type,
    ADD CONSTRAINT sync_jobs_job_type CHECK (
        job_type IN (
            'incremental', 'full', 'replay', 'webhook', 'reprocess', 'reconcile'
        )
    ) NOT VALID;
ALTER TABLE ops.sync_jobs VALIDATE CONSTRAINT sync_jobs_job_type;

CREATE TABLE ops.reconciliations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id bigint NOT NULL UNIQUE REFERENCES ops.sync_jobs (id) ON DELETE CASCADE,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    extent text NOT NULL,
    repair boolean NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz,
    in_source bigint DEFAULT 0,
    in_raw bigint NOT NULL DEFAULT 0,
    in_rows bigint NOT NULL DEFAULT 0,
    compared bigint NOT NULL DEFAULT 0,
    asked_again bigint NOT NULL DEFAULT 0,
    differences bigint NOT NULL DEFAULT 0,
    by_reason jsonb NOT NULL DEFAULT '{}',
    repaired bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    verdict text,
    CONSTRAINT reconciliations_extent CHECK (
        extent IN (
            'records',  -- everything a record has, read whole from the source
            'sweep'     -- what no list shows as changed: associations, the archive
        )
    ),
    CONSTRAINT reconciliations_verdict CHECK (
        verdict IN (
            'equal',     -- NULL -> equal: no difference, or none that is left
            'different'  -- NULL -> different: at least one is left
        )
    )
);
-- Finds an entity's latest.
CREATE INDEX reconciliations_entity
    ON ops.reconciliations (source_system, entity_type, id DESC);
-- Finds what is old.
CREATE INDEX reconciliations_started ON ops.reconciliations (started_at);
COMMENT ON TABLE ops.reconciliations IS
    'Each record represents one comparison of an entity of a source with the warehouse. Example: when was it last proved that nothing is missing?';
COMMENT ON COLUMN ops.reconciliations.repair IS
    'Whether differences were merged, or only listed';
COMMENT ON COLUMN ops.reconciliations.in_source IS
    'Different records that the source has, by its list and by what was asked again; NULL: a sweep, which reads no list';
COMMENT ON COLUMN ops.reconciliations.in_raw IS 'Live records of the raw layer at the end';
COMMENT ON COLUMN ops.reconciliations.in_rows IS
    'Live rows of the entity''s unified table at the end; rejects have none';
COMMENT ON COLUMN ops.reconciliations.compared IS
    'Records whose hashes, columns and links were compared';
COMMENT ON COLUMN ops.reconciliations.asked_again IS
    'Records that seemed to differ and were read again by id before they were judged';
COMMENT ON COLUMN ops.reconciliations.differences IS
    'Differences found, repaired ones included; each is in ops.reconciliation_differences';
COMMENT ON COLUMN ops.reconciliations.by_reason IS
    'The same by reason, as {"fields_differ": 3}';
COMMENT ON COLUMN ops.reconciliations.repaired IS 'Those of them that were repaired';
COMMENT ON COLUMN ops.reconciliations.verdict IS 'NULL: not at its end';

CREATE TABLE ops.reconciliation_differences (
    reconciliation_id bigint NOT NULL
        REFERENCES ops.reconciliations (id) ON DELETE CASCADE,
    fingerprint text NOT NULL,
    reason text NOT NULL,
    source_id text,
    fields text[] NOT NULL DEFAULT '{}',
    repaired boolean NOT NULL DEFAULT false,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (reconciliation_id, fingerprint, reason),
    CONSTRAINT reconciliation_differences_reason CHECK (
        reason IN (
            'suspect',        -- seemed to differ, and is yet to be asked again
            'not_asked',      -- seemed to differ; the source could not be asked again
            'missing_here',   -- the source has it, the warehouse never had
            'deleted_here',   -- the source has it, a tombstone stands here
            'gone_there',     -- lives here; the source does not know it any more
            'archived_there', -- lives here; the source has archived it
            'forgotten_there', -- lives here; the source keeps nothing for ever
            'merged_there',   -- lives here; the source has merged it into another
            'fields_differ',  -- the payload is another
            'quarantined',    -- a reject, and open in the quarantine
            'reject_missing', -- a reject, and not open in the quarantine
            'row_missing',    -- raw is right, a row of it is missing
            'row_extra',      -- a row lives whose record does not
            'row_differs',    -- raw is right, a row of it is another
            'link_missing',   -- the record lists a parent, the link table does not
            'link_extra'      -- the link table lists a parent, the record does not
        )
    )
);
COMMENT ON TABLE ops.reconciliation_differences IS
    'Each record represents one difference that a reconciliation found. Example: which records were deleted without anybody telling?';
COMMENT ON COLUMN ops.reconciliation_differences.fingerprint IS
    'id:<source id>, or the payload''s hash of a record without one';
COMMENT ON COLUMN ops.reconciliation_differences.fields IS
    'Names of the fields or columns that differ, never their values';

ALTER TABLE ops.retention DROP CONSTRAINT retention_name;
ALTER TABLE ops.retention ADD CONSTRAINT retention_name CHECK (
    name IN (
        'webhook_events', 'webhook_deliveries', 'sync_errors', 'sync_job_ids',
        'api_quota_usage', 'maintenance_runs', 'sync_windows',
        'reconciliation_differences', 'reconciliations'
    )
);
INSERT INTO ops.retention (name, days) VALUES
    ('reconciliation_differences', 90), ('reconciliations', 365);
