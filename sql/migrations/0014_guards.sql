-- Which guard stopped a job, which it was told to ignore, what it left to the next full
-- load. Changes ops.sync_jobs, indexes raw tables that webhooks write. Applied once, in
-- one transaction; a load of the release before, which bears no new columns, stops at its
-- next chunk and is resumed by the next sync.

ALTER TABLE ops.sync_jobs
    ADD COLUMN guard text,
    ADD COLUMN overrides text[] NOT NULL DEFAULT '{}',
    ADD COLUMN records_absent bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN ops.sync_jobs.guard IS
    'The guard that stopped the job; NULL: none did. Example: what must somebody decide?';
COMMENT ON COLUMN ops.sync_jobs.overrides IS
    'Guards that this job ignores, because somebody looked and said so';
COMMENT ON COLUMN ops.sync_jobs.records_absent IS
    'Records that a full load missed without deleting them: the next one decides';

-- Count what webhooks have deleted of late.
CREATE INDEX hubspot_contacts_deleted
    ON raw.hubspot_contacts (source_system, deleted_at) WHERE is_deleted;
CREATE INDEX hubspot_companies_deleted
    ON raw.hubspot_companies (source_system, deleted_at) WHERE is_deleted;
CREATE INDEX hubspot_deals_deleted
    ON raw.hubspot_deals (source_system, deleted_at) WHERE is_deleted;
