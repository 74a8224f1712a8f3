-- What a source keeps apart from its contacts: telephone numbers and addresses. And who an
-- appointment is with when it names its lead only.
-- Adds tables, and columns that may be empty. Applied once, in one transaction; a load of
-- the release before goes on: it does not name the new columns.

CREATE TABLE warehouse.contact_phones (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    contact_source_id text,
    phone text,
    phone_e164 text,
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
CREATE INDEX contact_phones_last_synced ON warehouse.contact_phones (last_synced);
CREATE INDEX contact_phones_contact_id ON warehouse.contact_phones (contact_id);
-- Finds rows that wait for their contact.
CREATE INDEX contact_phones_contact_id_waiting ON warehouse.contact_phones (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
COMMENT ON TABLE warehouse.contact_phones IS
    'Each record represents: the telephone numbers of one contact, of a source that keeps them apart. Example: what else can we call this customer at?';
COMMENT ON COLUMN warehouse.contact_phones.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.contact_phones.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.contact_phones.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.contact_phones.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.contact_phones.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.contact_phones.phone IS 'The number to call first, as sent';
COMMENT ON COLUMN warehouse.contact_phones.phone_e164 IS 'The same in the international form, when it is valid';
COMMENT ON COLUMN warehouse.contact_phones.attributes IS 'All other fields of the record, as sent';
COMMENT ON COLUMN warehouse.contact_phones.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.contact_phones.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.contact_phones.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.contact_phones.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.contact_phones.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.contact_phones.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.contact_phones.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.contact_phones.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.contact_phones.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.contact_phones.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.addresses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    contact_source_id text,
    address text,
    city text,
    state text,
    zip text,
    county text,
    country text,
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
CREATE INDEX addresses_last_synced ON warehouse.addresses (last_synced);
CREATE INDEX addresses_contact_id ON warehouse.addresses (contact_id);
-- Finds rows that wait for their contact.
CREATE INDEX addresses_contact_id_waiting ON warehouse.addresses (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
COMMENT ON TABLE warehouse.addresses IS
    'Each record represents: one postal address, of a source that keeps them apart from its contacts. Example: which addresses has this customer?';
COMMENT ON COLUMN warehouse.addresses.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.addresses.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.addresses.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.addresses.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.addresses.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.addresses.address IS 'Street and number';
COMMENT ON COLUMN warehouse.addresses.city IS 'City';
COMMENT ON COLUMN warehouse.addresses.state IS 'State';
COMMENT ON COLUMN warehouse.addresses.zip IS 'Postal code as text';
COMMENT ON COLUMN warehouse.addresses.county IS 'County';
COMMENT ON COLUMN warehouse.addresses.country IS 'Country';
COMMENT ON COLUMN warehouse.addresses.attributes IS 'All other fields of the record, as sent';
COMMENT ON COLUMN warehouse.addresses.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.addresses.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.addresses.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.addresses.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.addresses.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.addresses.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.addresses.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.addresses.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.addresses.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.addresses.last_synced IS 'When the values of this row last changed';

CREATE INDEX addresses_city_zip ON warehouse.addresses (city, zip);

ALTER TABLE warehouse.contacts
    ADD COLUMN address_id bigint REFERENCES warehouse.addresses (id),
    ADD COLUMN address_source_id text,
    ADD COLUMN address_from text,
    ADD COLUMN phone_from text;
CREATE INDEX contacts_address_id ON warehouse.contacts (address_id) WHERE address_id IS NOT NULL;
CREATE INDEX contacts_address_id_waiting ON warehouse.contacts (source_system, address_source_id)
    WHERE address_id IS NULL AND address_source_id IS NOT NULL;
-- Finds rows that have columns from elsewhere.
CREATE INDEX contacts_address_from ON warehouse.contacts (source_system) WHERE address_from IS NOT NULL;
CREATE INDEX contacts_phone_from ON warehouse.contacts (source_system) WHERE phone_from IS NOT NULL;
COMMENT ON COLUMN warehouse.contacts.address_id IS 'The main address in warehouse.addresses, once it is known, of a source that keeps them apart';
COMMENT ON COLUMN warehouse.contacts.address_source_id IS 'Id of that address in the source system';
COMMENT ON COLUMN warehouse.contacts.address_from IS 'Source id of the address that gave address, city, state and zip; empty: they are the contact''s own';
COMMENT ON COLUMN warehouse.contacts.phone_from IS 'Source id of the row of warehouse.contact_phones that gave phone; empty: it is the contact''s own';

ALTER TABLE warehouse.appointments
    ADD COLUMN lead_id bigint REFERENCES warehouse.leads (id),
    ADD COLUMN lead_source_id text,
    ADD COLUMN contact_from text;
CREATE INDEX appointments_lead_id ON warehouse.appointments (lead_id) WHERE lead_id IS NOT NULL;
CREATE INDEX appointments_lead_id_waiting ON warehouse.appointments (source_system, lead_source_id)
    WHERE lead_id IS NULL AND lead_source_id IS NOT NULL;
CREATE INDEX appointments_contact_from ON warehouse.appointments (source_system)
    WHERE contact_from IS NOT NULL;
COMMENT ON COLUMN warehouse.appointments.lead_id IS 'The lead that it came of, once it is known';
COMMENT ON COLUMN warehouse.appointments.lead_source_id IS 'Id of that lead in the source system';
COMMENT ON COLUMN warehouse.appointments.contact_from IS 'Source id of the lead that gave the contact; empty: the appointment names its contact itself';

CREATE TABLE raw.marketsharp_appointments (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_appointments IS
    'Each record represents the latest payload of one of MarketSharp''s appointments';

CREATE TABLE raw.marketsharp_contact_phones (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_contact_phones IS
    'Each record represents the latest payload of one of MarketSharp''s contacts with their telephone numbers';

CREATE TABLE raw.marketsharp_addresses (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_addresses IS
    'Each record represents the latest payload of one of MarketSharp''s addresses';

CREATE TABLE raw.marketsharp_inquiry_statuses (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_inquiry_statuses IS
    'Each record represents the latest payload of one of MarketSharp''s statuses of inquiries';

CREATE TABLE raw.marketsharp_inquiry_sources (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_inquiry_sources IS
    'Each record represents the latest payload of one of MarketSharp''s primary sources of inquiries';

CREATE TABLE raw.marketsharp_employees (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_employees IS
    'Each record represents the latest payload of one of MarketSharp''s employees';
