-- Records that were merged into others, and records that were erased for good.
-- Adds tables to schemas warehouse and ops, columns to the inbox. Applied once,
-- in one transaction; a process of the release before goes on working and knows of neither.

CREATE TABLE warehouse.merged_records (
    source_system text NOT NULL,
    unified_table text NOT NULL,
    source_id text NOT NULL,
    survivor_source_id text NOT NULL,
    job_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_system, unified_table, source_id),
    CONSTRAINT merged_records_other CHECK (source_id <> survivor_source_id)
);
-- Finds whom a survivor replaces, when it is merged into another itself.
CREATE INDEX merged_records_survivor
    ON warehouse.merged_records (source_system, unified_table, survivor_source_id);
COMMENT ON TABLE warehouse.merged_records IS
    'Each record represents: one record that its source merged into another; the last one of a chain is named. Example: what became of the contact with this old id?';
COMMENT ON COLUMN warehouse.merged_records.source_system IS 'Which system the records live in';
COMMENT ON COLUMN warehouse.merged_records.unified_table IS 'Table of schema warehouse that both are rows of, e.g. contacts';
COMMENT ON COLUMN warehouse.merged_records.source_id IS 'Id of the record that is no more; its row stays, marked as deleted';
COMMENT ON COLUMN warehouse.merged_records.survivor_source_id IS 'Id of the record that took its place; never one that was merged itself';
COMMENT ON COLUMN warehouse.merged_records.job_id IS 'Job in ops.sync_jobs that last wrote this redirect';
COMMENT ON COLUMN warehouse.merged_records.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.merged_records.updated_at IS 'When this row was last written';

CREATE TABLE ops.erased_records (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    source_id text NOT NULL,
    unified_tables text[] NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    redacted_at timestamptz,
    reason text NOT NULL,
    PRIMARY KEY (source_system, entity_type, source_id),
    CONSTRAINT erased_records_reason CHECK (
        reason IN (
            'request',  -- a person asked, and somebody ran the command
            'source',   -- the source announced that it erased the record
            'merge'     -- it was merged with a record that had been erased
        )
    )
);
-- Finds whether a parent that a record names was erased.
CREATE INDEX erased_records_source_id ON ops.erased_records (source_system, source_id);
-- Finds whose inbox is still to be looked through.
CREATE INDEX erased_records_unredacted ON ops.erased_records (source_system)
    WHERE redacted_at IS NULL;
COMMENT ON TABLE ops.erased_records IS
    'Each record represents the id of a record whose personal data was erased; nothing that comes under it is stored again. Example: was this id erased, and when?';
COMMENT ON COLUMN ops.erased_records.unified_tables IS
    'Tables of schema warehouse in which no record may name it as its parent';
COMMENT ON COLUMN ops.erased_records.redacted_at IS
    'When the inbox was looked through for it; NULL: it is to be, by whoever comes first';
COMMENT ON COLUMN ops.erased_records.reason IS 'request, source or merge';

-- Of what is erased the audit trail keeps a hash that nobody can guess without this key.
CREATE TABLE ops.erasure_key (
    "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"),
    key bytea NOT NULL
);
INSERT INTO ops.erasure_key (key)
VALUES (sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea));
COMMENT ON TABLE ops.erasure_key IS
    'The one record represents the key of the hashes by which ops.audit_log names what was erased';

ALTER TABLE staging.webhook_events
    ADD COLUMN merged_into text,
    ADD COLUMN redacted_at timestamptz;
COMMENT ON COLUMN staging.webhook_events.merged_into IS
    'Id of the record that took the place of this one, as the event says; NULL: it says nothing of the kind';
COMMENT ON COLUMN staging.webhook_events.redacted_at IS
    'When the values of a person were taken out of payload; NULL: it is as sent';
-- Finds what the source erased for the sake of privacy, by its own word: also of events
-- that a release knew nothing to do with.
CREATE INDEX webhook_events_privacy ON staging.webhook_events (source_system)
    WHERE event_type LIKE '%.privacyDeletion';
-- Finds who was merged into a record.
CREATE INDEX webhook_events_merged
    ON staging.webhook_events (source_system, entity_type, merged_into)
    WHERE merged_into IS NOT NULL;

ALTER TABLE staging.webhook_deliveries
    ADD COLUMN body_sha256 text,
    ADD COLUMN redacted_at timestamptz;
COMMENT ON COLUMN staging.webhook_deliveries.body_sha256 IS
    'SHA-256 (hex) of the signed bytes, once body is not them any more';
COMMENT ON COLUMN staging.webhook_deliveries.redacted_at IS
    'When the values of a person were taken out of body; NULL: it is as signed';
