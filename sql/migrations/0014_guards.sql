-- Which guard stopped a job, and which guards it was told to ignore.
-- Changes ops.sync_jobs. Applied once, in one transaction; a load of the release before,
-- which bears no new columns, stops at its next chunk and is resumed by the next sync.

ALTER TABLE ops.sync_jobs
    ADD COLUMN guard text,
    ADD COLUMN overrides text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ops.sync_jobs.guard IS
    'The guard that stopped the job; NULL: none did. Example: what must somebody decide?';
COMMENT ON COLUMN ops.sync_jobs.overrides IS
    'Guards that this job ignores, because somebody looked and said so';
