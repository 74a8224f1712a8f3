-- Whether webhooks of a source wait to be merged: deliveries not yet taken apart, or
-- events not yet settled. Returns one row. Reads only, by the indexes of what is pending.
SELECT
    EXISTS (
        SELECT FROM staging.webhook_deliveries
        WHERE source_system = %(source_system)s AND state = 'pending'
    )
    OR EXISTS (
        SELECT FROM staging.webhook_events
        WHERE source_system = %(source_system)s AND state = 'pending'
    )
