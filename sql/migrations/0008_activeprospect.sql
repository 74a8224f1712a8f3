-- Full payloads of every ActiveProspect record. Nothing a source sends is dropped.
-- Adds tables to schema raw. Applied once, in one transaction.

CREATE TABLE raw.activeprospect_leads (
    source_system text NOT NULL,
    source_id text NOT NULL,
    payload jsonb NOT NULL,
    payload_bytes bytea,
    payload_hash text NOT NULL,
    source_updated_at timestamptz,
    fetched_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    absent_since timestamptz,
    PRIMARY KEY (source_system, source_id)
);
CREATE INDEX activeprospect_leads_absent ON raw.activeprospect_leads (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.activeprospect_leads IS
    'Each record represents the latest payload of one of ActiveProspect''s leads';
COMMENT ON COLUMN raw.activeprospect_leads.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.activeprospect_leads.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.activeprospect_leads.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.activeprospect_events (
    source_system text NOT NULL,
    source_id text NOT NULL,
    payload jsonb NOT NULL,
    payload_bytes bytea,
    payload_hash text NOT NULL,
    source_updated_at timestamptz,
    fetched_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    absent_since timestamptz,
    PRIMARY KEY (source_system, source_id)
);
CREATE INDEX activeprospect_events_absent ON raw.activeprospect_events (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.activeprospect_events IS
    'Each record represents the latest payload of one of ActiveProspect''s events';
COMMENT ON COLUMN raw.activeprospect_events.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.activeprospect_events.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.activeprospect_events.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';
