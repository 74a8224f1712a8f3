-- The inbox is looked at every few seconds, and swept more often.
-- Adds two indexes, and settings of autovacuum, to schema staging.
-- Applied once, in one transaction. Who writes to the inbox waits while the indexes are
-- built: about a second for a million rows, and a delivery that waits longer is asked for
-- again. A process of the release before goes on working and knows of nothing.

-- Counts what cannot be used, however much was settled.
CREATE INDEX webhook_deliveries_failed
    ON staging.webhook_deliveries (source_system, id) WHERE state = 'failed';
CREATE INDEX webhook_events_failed
    ON staging.webhook_events (source_system, id) WHERE state = 'failed';

-- Each row is written twice, when it comes and when it is settled. By default a fifth of
-- the table must be dead before its room is used again: 200,000 of a million rows.
ALTER TABLE staging.webhook_deliveries SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000
);
ALTER TABLE staging.webhook_events SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000
);
