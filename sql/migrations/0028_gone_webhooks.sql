-- An index of what webhooks found to be gone.
-- Applied once, in one transaction, by `crm_warehouse migrate`.

-- Finds whether a record was looked for, for a webhook, and not found: every record that a
-- chunk brings and raw does not hold is looked up there. The other indexes hold all events;
-- after a burst, before statistics are gathered, one that reads all of an entity's events
-- was taken, once for each record.
CREATE INDEX webhook_events_gone
    ON staging.webhook_events (source_system, entity_type, object_id, settled_at)
    WHERE is_gone;
