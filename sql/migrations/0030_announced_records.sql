-- An index of what webhooks announce, by record.
-- Applied once, in one transaction, by `crm_warehouse migrate`. Who writes events waits while
-- it is built: about a second for a million that wait; receivers write none. A process of
-- the release before goes on working and knows of nothing.

-- Finds whether a record is announced just now, and its events, however many were settled.
CREATE INDEX webhook_events_announced
    ON staging.webhook_events (source_system, entity_type, object_id, id)
    WHERE state = 'pending';
