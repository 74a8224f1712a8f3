-- Leads, companies, jobs, activities, lead events, and who belongs to them.
-- Adds tables to schema warehouse. Applied once, in one transaction.

CREATE TABLE warehouse.leads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    contact_source_id text,
    name text,
    status text,
    value numeric(12,2),
    lead_source text,
    notes text,
    expected_close_at timestamptz,
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
CREATE INDEX leads_last_synced ON warehouse.leads (last_synced);
CREATE INDEX leads_contact_id ON warehouse.leads (contact_id);
-- Finds children that wait for their parent.
CREATE INDEX leads_contact_id_waiting ON warehouse.leads (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
CREATE INDEX leads_source_created_at ON warehouse.leads (source_created_at);
COMMENT ON TABLE warehouse.leads IS
    'Each record represents: an enquiry, request or deal that may become a sale. Example: how many leads did we get last month, and from where?';
COMMENT ON COLUMN warehouse.leads.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.leads.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.leads.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.leads.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.leads.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.leads.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.leads.status IS 'Status in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.leads.value IS 'Amount in the source''s currency';
COMMENT ON COLUMN warehouse.leads.lead_source IS 'Where the lead came from, in the source''s words';
COMMENT ON COLUMN warehouse.leads.notes IS 'Notes as sent';
COMMENT ON COLUMN warehouse.leads.expected_close_at IS 'When the sale is expected';
COMMENT ON COLUMN warehouse.leads.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.leads.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.leads.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.leads.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.leads.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.leads.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.leads.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.leads.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.leads.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.leads.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.companies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    name text,
    domain text,
    phone text,
    address text,
    city text,
    state text,
    zip text,
    status text,
    attributes jsonb,
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
CREATE INDEX companies_last_synced ON warehouse.companies (last_synced);
COMMENT ON TABLE warehouse.companies IS
    'Each record represents: an organisation that contacts belong to. Example: which companies have more than one contact?';
COMMENT ON COLUMN warehouse.companies.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.companies.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.companies.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.companies.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.companies.domain IS 'Internet domain as sent';
COMMENT ON COLUMN warehouse.companies.phone IS 'Phone number as sent';
COMMENT ON COLUMN warehouse.companies.address IS 'Street address as sent';
COMMENT ON COLUMN warehouse.companies.city IS 'City as sent';
COMMENT ON COLUMN warehouse.companies.state IS 'State or region as sent';
COMMENT ON COLUMN warehouse.companies.zip IS 'Postal code as sent';
COMMENT ON COLUMN warehouse.companies.status IS 'Status in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.companies.attributes IS 'All fields that no other column has, as sent';
COMMENT ON COLUMN warehouse.companies.phone_e164 IS 'Valid phone number in E.164 form; NULL when the one sent is not valid';
COMMENT ON COLUMN warehouse.companies.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.companies.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.companies.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.companies.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.companies.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.companies.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.companies.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.companies.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.companies.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.companies.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    contact_source_id text,
    number text,
    name text,
    status text,
    type text,
    value numeric(12,2),
    started_at timestamptz,
    completed_at timestamptz,
    notes text,
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
CREATE INDEX jobs_last_synced ON warehouse.jobs (last_synced);
CREATE INDEX jobs_contact_id ON warehouse.jobs (contact_id);
-- Finds children that wait for their parent.
CREATE INDEX jobs_contact_id_waiting ON warehouse.jobs (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
COMMENT ON TABLE warehouse.jobs IS
    'Each record represents: sold work: what is built, when, for how much. Example: what is the value of the jobs that were completed this quarter?';
COMMENT ON COLUMN warehouse.jobs.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.jobs.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.jobs.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.jobs.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.jobs.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.jobs.number IS 'Number as sent';
COMMENT ON COLUMN warehouse.jobs.name IS 'Name as sent';
COMMENT ON COLUMN warehouse.jobs.status IS 'Status in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.jobs.type IS 'Kind of work in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.jobs.value IS 'Amount in the source''s currency';
COMMENT ON COLUMN warehouse.jobs.started_at IS 'When work began or begins';
COMMENT ON COLUMN warehouse.jobs.completed_at IS 'When work was completed';
COMMENT ON COLUMN warehouse.jobs.notes IS 'Notes as sent';
COMMENT ON COLUMN warehouse.jobs.attributes IS 'All fields that no other column has, as sent';
COMMENT ON COLUMN warehouse.jobs.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.jobs.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.jobs.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.jobs.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.jobs.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.jobs.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.jobs.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.jobs.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.jobs.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.jobs.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.activities (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    contact_id bigint REFERENCES warehouse.contacts (id),
    contact_source_id text,
    type text,
    subject text,
    status text,
    due_at timestamptz,
    completed_at timestamptz,
    notes text,
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
CREATE INDEX activities_last_synced ON warehouse.activities (last_synced);
CREATE INDEX activities_contact_id ON warehouse.activities (contact_id);
-- Finds children that wait for their parent.
CREATE INDEX activities_contact_id_waiting ON warehouse.activities (source_system, contact_source_id)
    WHERE contact_id IS NULL AND contact_source_id IS NOT NULL;
COMMENT ON TABLE warehouse.activities IS
    'Each record represents: something done or to be done about a contact: a call, a visit, a mail. Example: which contacts had no activity for a month?';
COMMENT ON COLUMN warehouse.activities.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.activities.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.activities.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.activities.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.activities.contact_source_id IS 'Id of the contact in the source system';
COMMENT ON COLUMN warehouse.activities.type IS 'Kind of activity in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.activities.subject IS 'Subject as sent';
COMMENT ON COLUMN warehouse.activities.status IS 'Status in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.activities.due_at IS 'When it is due';
COMMENT ON COLUMN warehouse.activities.completed_at IS 'When it was done';
COMMENT ON COLUMN warehouse.activities.notes IS 'Notes as sent';
COMMENT ON COLUMN warehouse.activities.attributes IS 'All fields that no other column has, as sent';
COMMENT ON COLUMN warehouse.activities.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.activities.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.activities.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.activities.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.activities.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.activities.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.activities.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.activities.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.activities.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.activities.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.lead_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    lead_id bigint REFERENCES warehouse.leads (id),
    lead_source_id text,
    type text,
    outcome text,
    reason text,
    step text,
    occurred_at timestamptz,
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
CREATE INDEX lead_events_last_synced ON warehouse.lead_events (last_synced);
CREATE INDEX lead_events_lead_id ON warehouse.lead_events (lead_id);
-- Finds children that wait for their parent.
CREATE INDEX lead_events_lead_id_waiting ON warehouse.lead_events (source_system, lead_source_id)
    WHERE lead_id IS NULL AND lead_source_id IS NOT NULL;
CREATE INDEX lead_events_occurred_at ON warehouse.lead_events (occurred_at);
COMMENT ON TABLE warehouse.lead_events IS
    'Each record represents: one step of a lead''s way: received, enhanced, filtered, delivered. Example: at which step are most leads refused?';
COMMENT ON COLUMN warehouse.lead_events.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.lead_events.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.lead_events.source_id IS 'Its id there';
COMMENT ON COLUMN warehouse.lead_events.lead_id IS 'The lead, once it is known';
COMMENT ON COLUMN warehouse.lead_events.lead_source_id IS 'Id of the lead in the source system';
COMMENT ON COLUMN warehouse.lead_events.type IS 'Kind of step in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.lead_events.outcome IS 'Outcome in the source''s words, trimmed';
COMMENT ON COLUMN warehouse.lead_events.reason IS 'Reason as sent';
COMMENT ON COLUMN warehouse.lead_events.step IS 'Name of the step as sent';
COMMENT ON COLUMN warehouse.lead_events.occurred_at IS 'When it happened';
COMMENT ON COLUMN warehouse.lead_events.attributes IS 'All fields that no other column has, as sent';
COMMENT ON COLUMN warehouse.lead_events.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.lead_events.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.lead_events.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.lead_events.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.lead_events.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.lead_events.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.lead_events.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.lead_events.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.lead_events.updated_at IS 'When this row was last written, links included';
COMMENT ON COLUMN warehouse.lead_events.last_synced IS 'When the values of this row last changed';

CREATE TABLE warehouse.lead_contacts (
    source_system text NOT NULL,
    lead_source_id text NOT NULL,
    contact_source_id text NOT NULL,
    type text NOT NULL DEFAULT '',
    position integer NOT NULL,
    lead_id bigint NOT NULL REFERENCES warehouse.leads (id),
    contact_id bigint REFERENCES warehouse.contacts (id),
    job_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_system, lead_source_id, contact_source_id, type)
);
CREATE INDEX lead_contacts_lead_id ON warehouse.lead_contacts (lead_id);
CREATE INDEX lead_contacts_contact_id ON warehouse.lead_contacts (contact_id);
-- Finds links that wait for their contact.
CREATE INDEX lead_contacts_waiting ON warehouse.lead_contacts (source_system, contact_source_id)
    WHERE contact_id IS NULL;
COMMENT ON TABLE warehouse.lead_contacts IS
    'Each record represents: one link between a lead and a contact; the same two may be linked in several ways, so count DISTINCT contacts. Example: which deals have several contacts?';
COMMENT ON COLUMN warehouse.lead_contacts.source_system IS 'Which system the records live in';
COMMENT ON COLUMN warehouse.lead_contacts.lead_source_id IS 'Id of the lead there';
COMMENT ON COLUMN warehouse.lead_contacts.contact_source_id IS 'Id of the contact there';
COMMENT ON COLUMN warehouse.lead_contacts.type IS 'Kind of link as the source writes it; HubSpot numbers them: the labels stand in the raw payload';
COMMENT ON COLUMN warehouse.lead_contacts.position IS 'Place among the links of the lead, from 1: the primary ones first, if there are any, then by id';
COMMENT ON COLUMN warehouse.lead_contacts.lead_id IS 'The lead';
COMMENT ON COLUMN warehouse.lead_contacts.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.lead_contacts.job_id IS 'Job in ops.sync_jobs that wrote this link';
COMMENT ON COLUMN warehouse.lead_contacts.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.lead_contacts.updated_at IS 'When this row was last written';

CREATE TABLE warehouse.company_contacts (
    source_system text NOT NULL,
    company_source_id text NOT NULL,
    contact_source_id text NOT NULL,
    type text NOT NULL DEFAULT '',
    position integer NOT NULL,
    company_id bigint NOT NULL REFERENCES warehouse.companies (id),
    contact_id bigint REFERENCES warehouse.contacts (id),
    job_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_system, company_source_id, contact_source_id, type)
);
CREATE INDEX company_contacts_company_id ON warehouse.company_contacts (company_id);
CREATE INDEX company_contacts_contact_id ON warehouse.company_contacts (contact_id);
-- Finds links that wait for their contact.
CREATE INDEX company_contacts_waiting ON warehouse.company_contacts (source_system, contact_source_id)
    WHERE contact_id IS NULL;
COMMENT ON TABLE warehouse.company_contacts IS
    'Each record represents: one link between a company and a contact; the same two may be linked in several ways, so count DISTINCT contacts. Example: who works at this company?';
COMMENT ON COLUMN warehouse.company_contacts.source_system IS 'Which system the records live in';
COMMENT ON COLUMN warehouse.company_contacts.company_source_id IS 'Id of the company there';
COMMENT ON COLUMN warehouse.company_contacts.contact_source_id IS 'Id of the contact there';
COMMENT ON COLUMN warehouse.company_contacts.type IS 'Kind of link as the source writes it; HubSpot numbers them: the labels stand in the raw payload';
COMMENT ON COLUMN warehouse.company_contacts.position IS 'Place among the links of the company, from 1: the primary ones first, if there are any, then by id';
COMMENT ON COLUMN warehouse.company_contacts.company_id IS 'The company';
COMMENT ON COLUMN warehouse.company_contacts.contact_id IS 'The contact, once it is known';
COMMENT ON COLUMN warehouse.company_contacts.job_id IS 'Job in ops.sync_jobs that wrote this link';
COMMENT ON COLUMN warehouse.company_contacts.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.company_contacts.updated_at IS 'When this row was last written';
