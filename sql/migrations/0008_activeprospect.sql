-- Full payloads of every ActiveProspect record. Nothing a source sends is dropped.
-- Adds tables to schema raw, each like the first one (0003), with its keys, indexes and
-- comments. Applied once, in one transaction.

CREATE TABLE raw.activeprospect_leads (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.activeprospect_leads IS
    'Each record represents the latest payload of one of ActiveProspect''s leads';

CREATE TABLE raw.activeprospect_events (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.activeprospect_events IS
    'Each record represents the latest payload of one of ActiveProspect''s events';
