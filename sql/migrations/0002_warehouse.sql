-- Unified and typed tables that people and BI tools read.
-- Creates schema warehouse. Applied once, in one transaction, by `crm_warehouse migrate`.

CREATE SCHEMA warehouse;
COMMENT ON SCHEMA warehouse IS 'Unified records of all source systems, one row per source record';

CREATE TABLE warehouse.contacts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    first_name text,
    last_name text,
    email text,
    phone text,
    address text,
    city text,
    state text,
    zip text,
    lead_source text,
    status text,
    email_normalized text,
    phone_e164 text,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sync_hash text NOT NULL,
    observed_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_synced timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, source_id)
);
CREATE INDEX contacts_last_synced ON warehouse.contacts (last_synced);
-- Hash indexes: text is kept as sent, and a B-tree refuses entries above 2.7 kB.
CREATE INDEX contacts_email ON warehouse.contacts USING hash (email);
CREATE INDEX contacts_phone ON warehouse.contacts USING hash (phone);
CREATE INDEX contacts_email_source ON warehouse.contacts (email_normalized, source_system)
    WHERE email_normalized IS NOT NULL;
CREATE INDEX contacts_phone_e164 ON warehouse.contacts (phone_e164)
    WHERE phone_e164 IS NOT NULL;
COMMENT ON TABLE warehouse.contacts IS
    'Each record represents: a person or household, as one source system knows it. Example: how many contacts did each system create last month?';
COMMENT ON COLUMN warehouse.contacts.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.contacts.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.contacts.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.contacts.first_name IS 'Given name as sent';
COMMENT ON COLUMN warehouse.contacts.last_name IS 'Family name as sent';
COMMENT ON COLUMN warehouse.contacts.email IS 'E-mail address as sent';
COMMENT ON COLUMN warehouse.contacts.phone IS 'Phone number as sent';
COMMENT ON COLUMN warehouse.contacts.address IS 'Street address as sent';
COMMENT ON COLUMN warehouse.contacts.city IS 'City as sent';
COMMENT ON COLUMN warehouse.contacts.state IS 'State or region as sent';
COMMENT ON COLUMN warehouse.contacts.zip IS 'Postal code as sent';
COMMENT ON COLUMN warehouse.contacts.lead_source IS 'Where the contact came from, in the sources words';
COMMENT ON COLUMN warehouse.contacts.status IS 'Status in the sources words, trimmed';
COMMENT ON COLUMN warehouse.contacts.email_normalized IS 'Valid e-mail address, trimmed and in lower case; NULL when the one sent is not valid';
COMMENT ON COLUMN warehouse.contacts.phone_e164 IS 'Valid phone number in E.164 form; NULL when the one sent is not valid';
COMMENT ON COLUMN warehouse.contacts.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.contacts.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.contacts.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.contacts.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.contacts.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.contacts.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.contacts.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.contacts.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.contacts.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.contacts.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    name text,
    email text,
    phone text,
    status text,
    attributes jsonb,
    email_normalized text,
    phone_e164 text,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sync_hash text NOT NULL,
    observed_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_synced timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, source_id)
);
CREATE INDEX users_last_synced ON warehouse.users (last_synced);
COMMENT ON TABLE warehouse.users IS
    'Each record represents: somebody who works in a source system. Example: which reps have no appointment this month?';
COMMENT ON COLUMN warehouse.users.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.users.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.users.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.users.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.users.email IS 'E-mail address as sent';
COMMENT ON COLUMN warehouse.users.phone IS 'Phone number as sent';
COMMENT ON COLUMN warehouse.users.status IS 'Status in the sources words, trimmed';
COMMENT ON COLUMN warehouse.users.attributes IS 'Every other field of the record';
COMMENT ON COLUMN warehouse.users.email_normalized IS 'Valid e-mail address, trimmed and in lower case; NULL when the one sent is not valid';
COMMENT ON COLUMN warehouse.users.phone_e164 IS 'Valid phone number in E.164 form; NULL when the one sent is not valid';
COMMENT ON COLUMN warehouse.users.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.users.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.users.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.users.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.users.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.users.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.users.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.users.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.users.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.users.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.divisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    name text,
    status text,
    attributes jsonb,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sync_hash text NOT NULL,
    observed_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_synced timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, source_id)
);
CREATE INDEX divisions_last_synced ON warehouse.divisions (last_synced);
COMMENT ON TABLE warehouse.divisions IS
    'Each record represents: a branch or region of the company. Example: how many divisions are active?';
COMMENT ON COLUMN warehouse.divisions.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.divisions.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.divisions.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.divisions.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.divisions.status IS 'Status in the sources words, trimmed';
COMMENT ON COLUMN warehouse.divisions.attributes IS 'Every other field of the record';
COMMENT ON COLUMN warehouse.divisions.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.divisions.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.divisions.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.divisions.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.divisions.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.divisions.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.divisions.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.divisions.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.divisions.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.divisions.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.marketing_sources (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    name text,
    status text,
    attributes jsonb,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sync_hash text NOT NULL,
    observed_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_synced timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, source_id)
);
CREATE INDEX marketing_sources_last_synced ON warehouse.marketing_sources (last_synced);
COMMENT ON TABLE warehouse.marketing_sources IS
    'Each record represents: a campaign or channel that brings leads, as the company names it. Example: which campaigns exist?';
COMMENT ON COLUMN warehouse.marketing_sources.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.marketing_sources.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.marketing_sources.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.marketing_sources.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.marketing_sources.status IS 'Status in the sources words, trimmed';
COMMENT ON COLUMN warehouse.marketing_sources.attributes IS 'Every other field of the record';
COMMENT ON COLUMN warehouse.marketing_sources.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.marketing_sources.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.marketing_sources.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.marketing_sources.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.marketing_sources.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.marketing_sources.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.marketing_sources.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.marketing_sources.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.marketing_sources.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.marketing_sources.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.appointments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    user_id bigint REFERENCES warehouse.users (id),
    contact_source_id text,
    user_source_id text,
    scheduled_date timestamptz NOT NULL,
    status text,
    type text,
    notes text,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sync_hash text NOT NULL,
    observed_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_synced timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source_system, source_id)
);
CREATE INDEX appointments_last_synced ON warehouse.appointments (last_synced);
CREATE INDEX appointments_contact_id ON warehouse.appointments (contact_id);
-- Finds children that wait for their parent.
CREATE INDEX appointments_contact_id_waiting ON warehouse.appointments (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
CREATE INDEX appointments_user_id ON warehouse.appointments (user_id);
-- Finds children that wait for their parent.
CREATE INDEX appointments_user_id_waiting ON warehouse.appointments (source_system, user_source_id)
    WHERE user_id IS NULL AND user_source_id IS NOT NULL;
CREATE INDEX appointments_scheduled_date ON warehouse.appointments (scheduled_date);
COMMENT ON TABLE warehouse.appointments IS
    'Each record represents: an agreed visit or consultation. Example: how many consultations are scheduled for next week?';
COMMENT ON COLUMN warehouse.appointments.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.appointments.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.appointments.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.appointments.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.appointments.user_id IS 'The user, once known';
COMMENT ON COLUMN warehouse.appointments.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.appointments.user_source_id IS 'Id of the user in the source system';
COMMENT ON COLUMN warehouse.appointments.scheduled_date IS 'When the visit takes place';
COMMENT ON COLUMN warehouse.appointments.status IS 'Status in the sources words, trimmed';
COMMENT ON COLUMN warehouse.appointments.type IS 'Kind of visit in the sources words, trimmed';
COMMENT ON COLUMN warehouse.appointments.notes IS 'Notes as sent';
COMMENT ON COLUMN warehouse.appointments.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.appointments.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.appointments.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.appointments.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.appointments.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.appointments.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.appointments.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.appointments.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.appointments.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.appointments.last_synced IS 'When the values of this row last changed';
