-- The newest delivery of a source whose events are not known yet; smaller ids may become
-- visible later. Returns one row: its id, or NULL. Reads only, by the index of what is
-- pending.
SELECT max(id) FROM staging.webhook_deliveries
WHERE source_system = %(source_system)s AND state = 'pending'
