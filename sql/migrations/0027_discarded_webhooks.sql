-- A person may discard what lies in the inbox: a state of its own, for it says nothing of
-- any record, as failed does. Changes staging.webhook_deliveries and webhook_events.
-- Applied once, in one transaction; a process of the release before goes on working. No
-- row is rewritten; the checks look at each once, under a second for a million.

ALTER TABLE staging.webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_state,
    ADD CONSTRAINT webhook_deliveries_state CHECK (
        state IN (
            'pending',   -- received; its events are not in webhook_events yet
            'exploded',  -- pending -> exploded: each event has its record
            'failed',    -- pending -> failed: no events in it; error_message says why
            'discarded'  -- pending, failed -> discarded: by a person; error_message says why
        )
    ) NOT VALID;
ALTER TABLE staging.webhook_deliveries VALIDATE CONSTRAINT webhook_deliveries_state;
COMMENT ON COLUMN staging.webhook_deliveries.state IS
    'pending, exploded, failed or discarded; a replay sets the last two back to pending';
COMMENT ON COLUMN staging.webhook_deliveries.error_message IS
    'Why it failed or was discarded; holds no values of people';

ALTER TABLE staging.webhook_events
    DROP CONSTRAINT webhook_events_state,
    ADD CONSTRAINT webhook_events_state CHECK (
        state IN (
            'pending',   -- waits for the next merge
            'merged',    -- pending -> merged: what it announced is in the warehouse
            'ignored',   -- pending -> ignored: of no interest; reason says why
            'failed',    -- pending -> failed: cannot be used; reason says why
            'discarded'  -- pending, failed -> discarded: by a person; reason says why
        )
    ) NOT VALID;
ALTER TABLE staging.webhook_events VALIDATE CONSTRAINT webhook_events_state;
COMMENT ON COLUMN staging.webhook_events.state IS
    'pending, merged, ignored, failed or discarded; a replay sets the others back to pending';
COMMENT ON COLUMN staging.webhook_events.reason IS
    'Why it is ignored, failed or discarded; holds no values of people';
COMMENT ON COLUMN staging.webhook_events.settled_at IS
    'When it last left the state pending; a replay leaves it until the next merge';
