-- Full payloads of every MarketSharp record. Nothing a source sends is dropped.
-- Adds tables to schema raw, each like the first one (0003), with its keys, indexes and
-- comments. Applied once, in one transaction.

CREATE TABLE raw.marketsharp_contacts (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_contacts IS
    'Each record represents the latest payload of one of MarketSharp''s contacts';

CREATE TABLE raw.marketsharp_leads (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_leads IS
    'Each record represents the latest payload of one of MarketSharp''s leads';

CREATE TABLE raw.marketsharp_jobs (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_jobs IS
    'Each record represents the latest payload of one of MarketSharp''s jobs';

CREATE TABLE raw.marketsharp_activities (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.marketsharp_activities IS
    'Each record represents the latest payload of one of MarketSharp''s activities';
