-- How many changes webhooks announce, by day, so that an outage of them is noticed.
-- Adds two columns to ops.webhook_gaps.
-- Applied once, in one transaction, at once. A process of the release before goes on
-- working: it leaves the new columns at 0, and what it measures is judged by its own span.
ALTER TABLE ops.webhook_gaps
    ADD COLUMN changes_announced integer NOT NULL DEFAULT 0,
    ADD COLUMN changes_unannounced integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN ops.webhook_gaps.changes_announced IS
    'Changed records that an event announced';
COMMENT ON COLUMN ops.webhook_gaps.changes_unannounced IS
    'Changed records that no event announced, whether or not most are announced';
COMMENT ON COLUMN ops.webhook_gaps.changed IS
    'Changed records that no event announced, where most changes of the last seven days are announced';
