-- Full payloads of every HubSpot record. Nothing a source sends is dropped.
-- Adds tables to schema raw. Applied once, in one transaction.

CREATE TABLE raw.hubspot_contacts (
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
CREATE INDEX hubspot_contacts_absent ON raw.hubspot_contacts (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.hubspot_contacts IS
    'Each record represents the latest payload of one of HubSpot''s contacts';
COMMENT ON COLUMN raw.hubspot_contacts.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.hubspot_contacts.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.hubspot_contacts.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.hubspot_deals (
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
CREATE INDEX hubspot_deals_absent ON raw.hubspot_deals (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.hubspot_deals IS
    'Each record represents the latest payload of one of HubSpot''s deals';
COMMENT ON COLUMN raw.hubspot_deals.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.hubspot_deals.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.hubspot_deals.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';

CREATE TABLE raw.hubspot_companies (
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
CREATE INDEX hubspot_companies_absent ON raw.hubspot_companies (source_system)
    WHERE absent_since IS NOT NULL;
COMMENT ON TABLE raw.hubspot_companies IS
    'Each record represents the latest payload of one of HubSpot''s companies';
COMMENT ON COLUMN raw.hubspot_companies.payload_bytes IS
    'The exact JSON when jsonb refuses part of it (NUL, lone surrogates, NaN)';
COMMENT ON COLUMN raw.hubspot_companies.fetched_at IS
    'When the request that brought this payload was sent';
COMMENT ON COLUMN raw.hubspot_companies.absent_since IS
    'A full load did not see the record; a second one that misses it deletes it';
