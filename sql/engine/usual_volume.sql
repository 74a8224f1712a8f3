-- How much the jobs of an entity and mode brought that ended well in the last eight weeks.
-- Left out are windows that somebody set and, of incremental ones, those without a begin.
-- Returns one row: jobs, most records of one, most records per second of its window
-- (NULL for windows without a begin). Reads only.
SELECT
    count(*) AS jobs,
    max(records_received) AS most,
    max(
        records_received
        / greatest(extract(epoch FROM window_end - window_start), 60)::float
    ) AS per_second
FROM ops.sync_jobs
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND job_type = %(job_type)s
    AND via = %(via)s
    AND status IN ('success', 'partial')
    AND completed_at > clock_timestamp() - interval '8 weeks'
    AND arguments ->> 'since' IS NULL
    AND (job_type <> 'incremental' OR window_start IS NOT NULL)
