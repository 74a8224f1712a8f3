-- Pipelines with their stages, and owners: who has a lead, and where it stands, by name.
-- Adds tables, and columns that may be empty. Applied once, in one transaction; a load of
-- the release before goes on: it does not name the new columns.

CREATE TABLE warehouse.pipeline_stages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    source_id text NOT NULL,
    name text,
    stage text,
    position bigint,
    probability numeric(12,2),
    is_closed boolean,
    is_won boolean GENERATED ALWAYS AS (is_closed AND probability = 1) STORED,
    pipeline_source_id text,
    pipeline_name text,
    pipeline_position bigint,
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
CREATE INDEX pipeline_stages_last_synced ON warehouse.pipeline_stages (last_synced);
COMMENT ON TABLE warehouse.pipeline_stages IS
    'Each record represents: one stage of one pipeline that leads move through. Example: how much is at each stage, in the order of the pipeline?';
COMMENT ON COLUMN warehouse.pipeline_stages.id IS 'Key of this row in the warehouse; stays for ever';
COMMENT ON COLUMN warehouse.pipeline_stages.source_system IS 'Which system the record lives in';
COMMENT ON COLUMN warehouse.pipeline_stages.source_id IS 'Its id there: <pipeline>:<stage>, because a stage''s own id is unique in its pipeline only';
COMMENT ON COLUMN warehouse.pipeline_stages.name IS 'What people call the stage';
COMMENT ON COLUMN warehouse.pipeline_stages.stage IS 'Id of the stage in its pipeline, as warehouse.leads.status has it';
COMMENT ON COLUMN warehouse.pipeline_stages.position IS 'Place in the pipeline, the first one lowest';
COMMENT ON COLUMN warehouse.pipeline_stages.probability IS 'Chance of a sale at this stage, 0 to 1';
COMMENT ON COLUMN warehouse.pipeline_stages.is_closed IS 'A lead here is decided';
COMMENT ON COLUMN warehouse.pipeline_stages.is_won IS 'A lead here is sold: decided, with probability 1';
COMMENT ON COLUMN warehouse.pipeline_stages.pipeline_source_id IS 'Id of the pipeline in the source system';
COMMENT ON COLUMN warehouse.pipeline_stages.pipeline_name IS 'What people call the pipeline';
COMMENT ON COLUMN warehouse.pipeline_stages.pipeline_position IS 'Place among the pipelines';
COMMENT ON COLUMN warehouse.pipeline_stages.source_created_at IS 'When the source says the record was created';
COMMENT ON COLUMN warehouse.pipeline_stages.source_updated_at IS 'When the source says the record was last changed';
COMMENT ON COLUMN warehouse.pipeline_stages.sync_hash IS 'SHA-256 (hex) over the mapped values: tells a change';
COMMENT ON COLUMN warehouse.pipeline_stages.observed_at IS 'When the request that brought these values was sent';
COMMENT ON COLUMN warehouse.pipeline_stages.job_id IS 'Job in ops.sync_jobs that wrote these values';
COMMENT ON COLUMN warehouse.pipeline_stages.is_deleted IS 'The record is gone in the source';
COMMENT ON COLUMN warehouse.pipeline_stages.deleted_at IS 'When the warehouse learned that it is gone';
COMMENT ON COLUMN warehouse.pipeline_stages.created_at IS 'When this row was created';
COMMENT ON COLUMN warehouse.pipeline_stages.updated_at IS 'When this row was last written';
COMMENT ON COLUMN warehouse.pipeline_stages.last_synced IS 'When the values of this row last changed';

ALTER TABLE warehouse.leads
    ADD COLUMN stage_id bigint REFERENCES warehouse.pipeline_stages (id),
    ADD COLUMN stage_source_id text,
    ADD COLUMN user_id bigint REFERENCES warehouse.users (id),
    ADD COLUMN user_source_id text,
    ADD COLUMN currency text,
    ADD COLUMN home_value numeric(12,2);
CREATE INDEX leads_stage_id ON warehouse.leads (stage_id);
CREATE INDEX leads_user_id ON warehouse.leads (user_id);
-- Find leads that wait for their stage or user.
CREATE INDEX leads_stage_id_waiting ON warehouse.leads (source_system, stage_source_id)
    WHERE stage_id IS NULL AND stage_source_id IS NOT NULL;
CREATE INDEX leads_user_id_waiting ON warehouse.leads (source_system, user_source_id)
    WHERE user_id IS NULL AND user_source_id IS NOT NULL;
COMMENT ON COLUMN warehouse.leads.stage_id IS 'The stage of its pipeline, once it is known; its name is there';
COMMENT ON COLUMN warehouse.leads.stage_source_id IS 'Pipeline and stage in the source system: <pipeline>:<stage>';
COMMENT ON COLUMN warehouse.leads.user_id IS 'The user who has it, once known';
COMMENT ON COLUMN warehouse.leads.user_source_id IS 'Id of that user in the source system';
COMMENT ON COLUMN warehouse.leads.value IS 'Amount in the lead''s own currency';
COMMENT ON COLUMN warehouse.leads.currency IS 'Currency of value (ISO 4217) where the source tells it';
COMMENT ON COLUMN warehouse.leads.home_value IS 'Amount in the company''s home currency, as the source converts it';

ALTER TABLE warehouse.users
    ADD COLUMN is_archived boolean;
COMMENT ON COLUMN warehouse.users.is_archived IS
    'The source has put the user away; the row stays for what names it. NULL: the source does not tell';

CREATE TABLE raw.hubspot_pipelines (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.hubspot_pipelines IS
    'Each record represents the latest payload of one stage of HubSpot''s pipelines of deals, with its pipeline';

CREATE TABLE raw.hubspot_owners (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.hubspot_owners IS
    'Each record represents the latest payload of one of HubSpot''s owners';
