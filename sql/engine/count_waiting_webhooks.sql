-- How many deliveries and events of %(source_system)s wait to be read or merged.
-- Returns one row: waiting, moment (now). Reads only, by the indexes of what is pending.
SELECT
    (
        SELECT count(*) FROM staging.webhook_deliveries
        WHERE source_system = %(source_system)s AND state = 'pending'
    ) + (
        SELECT count(*) FROM staging.webhook_events
        WHERE source_system = %(source_system)s AND state = 'pending'
    ) AS waiting,
    clock_timestamp() AS moment
