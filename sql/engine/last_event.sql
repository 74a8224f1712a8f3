-- Number of the latest pending webhook event of a source; 0: there is none.
-- Returns one row. Reads only.
SELECT coalesce(max(id), 0) AS last_event
FROM staging.webhook_events
WHERE source_system = %(source_system)s AND state = 'pending'
