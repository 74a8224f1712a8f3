-- Full payloads of every HubSpot record. Nothing a source sends is dropped.
-- Adds tables to schema raw, each like the first one (0003), with its keys, indexes and
-- comments. Applied once, in one transaction.

CREATE TABLE raw.hubspot_contacts (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.hubspot_contacts IS
    'Each record represents the latest payload of one of HubSpot''s contacts';

CREATE TABLE raw.hubspot_deals (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.hubspot_deals IS
    'Each record represents the latest payload of one of HubSpot''s deals';

CREATE TABLE raw.hubspot_companies (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.hubspot_companies IS
    'Each record represents the latest payload of one of HubSpot''s companies';
