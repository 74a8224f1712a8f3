-- Full payloads of every record of Keap. Nothing a source sends is dropped.
-- Adds tables to schema raw, each like the first one (0003), with its keys, indexes and
-- comments. Applied once, in one transaction.

CREATE TABLE raw.keap_contacts (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.keap_contacts IS
    'Each record represents the latest payload of one of Keap''s contacts';

CREATE TABLE raw.keap_appointments (LIKE raw.genius_prospects INCLUDING ALL);
COMMENT ON TABLE raw.keap_appointments IS
    'Each record represents the latest payload of one of Keap''s appointments';
