-- The webhook inbox: what sources push, kept as sent until the warehouse has merged it.
-- Creates schema staging. Applied once, in one transaction, by `crm_warehouse migrate`.

CREATE SCHEMA IF NOT EXISTS staging;
COMMENT ON SCHEMA staging IS 'The webhook inbox: deliveries as signed, and their events';

CREATE TABLE staging.webhook_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id text NOT NULL,
    replay_key text NOT NULL,
    content_type text NOT NULL,
    headers jsonb NOT NULL,
    url text NOT NULL,
    body bytea NOT NULL,
    body_bytes integer NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    error_message text,
    exploded_at timestamptz,
    CONSTRAINT webhook_deliveries_state CHECK (
        state IN (
            'pending',   -- received; its events are not in webhook_events yet
            'exploded',  -- pending -> exploded: each event has its record
            'failed'     -- pending -> failed: no events in it; error_message says why
        )
    ),
    -- Also the guard against a second record of a delivery that is sent again.
    CONSTRAINT webhook_deliveries_once UNIQUE (source_system, replay_key)
);
-- The body is compressed already; PostgreSQL would try again, in vain.
ALTER TABLE staging.webhook_deliveries ALTER COLUMN body SET STORAGE EXTERNAL;
-- Finds what is to be exploded, oldest first.
CREATE INDEX webhook_deliveries_pending
    ON staging.webhook_deliveries (source_system, id) WHERE state = 'pending';
COMMENT ON TABLE staging.webhook_deliveries IS
    'Each record represents one signed POST of a source, with the exact bytes that were signed. Example: what did HubSpot send last night at two?';
COMMENT ON COLUMN staging.webhook_deliveries.id IS
    'Number of the delivery; a smaller one may become visible later';
COMMENT ON COLUMN staging.webhook_deliveries.source_system IS
    'The source that signed it, as its path named it';
COMMENT ON COLUMN staging.webhook_deliveries.received_at IS
    'When it was stored, by the warehouse''s clock; the sender got its 200 after that';
COMMENT ON COLUMN staging.webhook_deliveries.request_id IS
    'Names the request in the receiver''s log and in its answer';
COMMENT ON COLUMN staging.webhook_deliveries.replay_key IS
    'Same key, same delivery: its signed time and its signature';
COMMENT ON COLUMN staging.webhook_deliveries.content_type IS
    'Content type as sent';
COMMENT ON COLUMN staging.webhook_deliveries.headers IS
    'The headers that the signature needs, and the user agent; names in lower case';
COMMENT ON COLUMN staging.webhook_deliveries.url IS
    'The public URL as called, query included; part of what was signed';
COMMENT ON COLUMN staging.webhook_deliveries.body IS
    'The signed bytes, compressed with zlib; valid JSON or not';
COMMENT ON COLUMN staging.webhook_deliveries.body_bytes IS
    'Length of the signed bytes, before compression';
COMMENT ON COLUMN staging.webhook_deliveries.state IS
    'pending, exploded or failed';
COMMENT ON COLUMN staging.webhook_deliveries.error_message IS
    'Why it failed; holds no values of people';
COMMENT ON COLUMN staging.webhook_deliveries.exploded_at IS
    'When it left the state pending';

CREATE TABLE staging.webhook_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id bigint NOT NULL REFERENCES staging.webhook_deliveries (id),
    position integer NOT NULL,
    source_system text NOT NULL,
    entity_type text,
    object_id text,
    event_type text,
    event_id text,
    occurred_at timestamptz,
    payload jsonb,
    dedupe_key text NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    reason text,
    job_id bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    CONSTRAINT webhook_events_state CHECK (
        state IN (
            'pending',  -- waits for the next merge
            'merged',   -- pending -> merged: what it announced is in the warehouse
            'ignored',  -- pending -> ignored: of no interest; reason says why
            'failed'    -- pending -> failed: cannot be used; reason says why
        )
    ),
    -- Also the guard against an event that is sent twice.
    CONSTRAINT webhook_events_once UNIQUE (source_system, dedupe_key)
);
-- Finds what is to be merged, oldest first.
CREATE INDEX webhook_events_pending
    ON staging.webhook_events (source_system, id) WHERE state = 'pending';
-- Finds what happened to one record.
CREATE INDEX webhook_events_object
    ON staging.webhook_events (source_system, entity_type, object_id, settled_at);
-- Finds the events of a delivery.
CREATE INDEX webhook_events_delivery ON staging.webhook_events (delivery_id, position);
COMMENT ON TABLE staging.webhook_events IS
    'Each record represents one event of a delivery; the same event sent again adds none. Example: which events wait, and since when?';
COMMENT ON COLUMN staging.webhook_events.id IS 'Number of the event';
COMMENT ON COLUMN staging.webhook_events.delivery_id IS
    'The delivery that brought it first';
COMMENT ON COLUMN staging.webhook_events.position IS
    'Its place in the delivery, from 0';
COMMENT ON COLUMN staging.webhook_events.source_system IS
    'The source system that sent it';
COMMENT ON COLUMN staging.webhook_events.entity_type IS
    'Entity of the record concerned; NULL: none that is loaded';
COMMENT ON COLUMN staging.webhook_events.object_id IS
    'Source id of the record concerned';
COMMENT ON COLUMN staging.webhook_events.event_type IS
    'What happened, in the source''s words, e.g. contact.propertyChange';
COMMENT ON COLUMN staging.webhook_events.event_id IS
    'The source''s number of the event; HubSpot does not keep it unique';
COMMENT ON COLUMN staging.webhook_events.occurred_at IS
    'When it happened, by the source''s clock';
COMMENT ON COLUMN staging.webhook_events.payload IS
    'The event as sent; NULL where jsonb cannot hold it: the delivery has its bytes';
COMMENT ON COLUMN staging.webhook_events.dedupe_key IS
    'Same key, same event, however often it is sent';
COMMENT ON COLUMN staging.webhook_events.state IS
    'pending, merged, ignored or failed';
COMMENT ON COLUMN staging.webhook_events.reason IS
    'Why it is ignored or failed; holds no values of people';
COMMENT ON COLUMN staging.webhook_events.job_id IS 'Job in ops.sync_jobs that settled it';
COMMENT ON COLUMN staging.webhook_events.created_at IS 'When its delivery was exploded';
COMMENT ON COLUMN staging.webhook_events.settled_at IS
    'When it left the state pending';
