-- Which entities' webhooks rest because they cannot be merged just now.
-- Adds a table to schema ops.
-- Applied once, in one transaction, at once. A process of the release before goes on working:
-- it knows of no rests, tries all entities, and leaves the table as it is.
CREATE TABLE ops.webhook_rests (
    source_system text NOT NULL,
    entity_type text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    tries integer NOT NULL,
    category text NOT NULL,
    PRIMARY KEY (source_system, entity_type)
);
COMMENT ON TABLE ops.webhook_rests IS
    'Each record represents one entity whose webhooks could not be merged when they were last tried. Example: whose webhooks wait although others are merged?';
COMMENT ON COLUMN ops.webhook_rests.since IS 'When a merge last tried in vain';
COMMENT ON COLUMN ops.webhook_rests.until IS
    'Until then merges of Airflow leave the entity''s events pending; those of people and of maintenance try them';
COMMENT ON COLUMN ops.webhook_rests.tries IS 'Merges in a row that tried in vain';
COMMENT ON COLUMN ops.webhook_rests.category IS
    'What kind of error it was, as in ops.sync_jobs.error_type; the job has the message';
