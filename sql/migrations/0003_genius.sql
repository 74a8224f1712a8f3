-- Full payloads of every Genius record. Nothing a source sends is dropped.
-- Creates schema raw and its genius tables. Applied once, in one transaction.

CREATE SCHEMA raw;
COMMENT ON SCHEMA raw IS 'The latest full payload of every source record';

CREATE TABLE raw.genius_prospects (
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
CREATE INDEX genius_prospects_absent ON raw.genius_prospects (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.genius_prospects IS
    'Each record represents the latest payload of one of Genius'' prospects';
COMMENT ON COLUMN raw.genius_prospects.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.genius_prospects.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.genius_prospects.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.genius_appointments (
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
CREATE INDEX genius_appointments_absent ON raw.genius_appointments (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.genius_appointments IS
    'Each record represents the latest payload of one of Genius'' appointments';
COMMENT ON COLUMN raw.genius_appointments.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.genius_appointments.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.genius_appointments.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.genius_users (
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
CREATE INDEX genius_users_absent ON raw.genius_users (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.genius_users IS
    'Each record represents the latest payload of one of Genius'' users';
COMMENT ON COLUMN raw.genius_users.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.genius_users.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.genius_users.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.genius_divisions (
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
CREATE INDEX genius_divisions_absent ON raw.genius_divisions (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.genius_divisions IS
    'Each record represents the latest payload of one of Genius'' divisions';
COMMENT ON COLUMN raw.genius_divisions.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.genius_divisions.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.genius_divisions.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.genius_marketing_sources (
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
CREATE INDEX genius_marketing_sources_absent ON raw.genius_marketing_sources (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.genius_marketing_sources IS
    'Each record represents the latest payload of one of Genius'' marketing sources';
COMMENT ON COLUMN raw.genius_marketing_sources.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.genius_marketing_sources.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.genius_marketing_sources.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';
