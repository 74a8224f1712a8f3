-- Full payloads of every MarketSharp record. Nothing a source sends is dropped.
-- Adds tables to schema raw. Applied once, in one transaction.

CREATE TABLE raw.marketsharp_contacts (
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
CREATE INDEX marketsharp_contacts_absent ON raw.marketsharp_contacts (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.marketsharp_contacts IS
    'Each record represents the latest payload of one of MarketSharp''s contacts';
COMMENT ON COLUMN raw.marketsharp_contacts.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.marketsharp_contacts.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.marketsharp_contacts.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.marketsharp_leads (
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
CREATE INDEX marketsharp_leads_absent ON raw.marketsharp_leads (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.marketsharp_leads IS
    'Each record represents the latest payload of one of MarketSharp''s leads';
COMMENT ON COLUMN raw.marketsharp_leads.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.marketsharp_leads.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.marketsharp_leads.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.marketsharp_jobs (
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
CREATE INDEX marketsharp_jobs_absent ON raw.marketsharp_jobs (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.marketsharp_jobs IS
    'Each record represents the latest payload of one of MarketSharp''s jobs';
COMMENT ON COLUMN raw.marketsharp_jobs.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.marketsharp_jobs.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.marketsharp_jobs.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.marketsharp_activities (
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
CREATE INDEX marketsharp_activities_absent ON raw.marketsharp_activities (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.marketsharp_activities IS
    'Each record represents the latest payload of one of MarketSharp''s activities';
COMMENT ON COLUMN raw.marketsharp_activities.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.marketsharp_activities.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.marketsharp_activities.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';
