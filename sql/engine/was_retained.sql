-- Whether what is old was deleted less than a day ago. Returns one row. Reads only.
SELECT EXISTS (
    SELECT FROM ops.maintenance_acts
    WHERE act = 'retain' AND source_system = '' AND details <> jsonb_build_object()
        AND at > clock_timestamp() - interval '23 hours'
)
