-- Jobs that nobody works on any more, although they are not done: dead ones, whose lock
-- is free and who said nothing for %(dead_after)s seconds; stopped ones, which hold it and
-- said nothing for %(cut_after)s; waiting ones that nobody took up %(late_after)s seconds
-- after their time; and an entity's latest of its mode, when it failed for a reason that
-- may pass (%(resumable)s), nobody tried it again, and no full load brought meanwhile what
-- an incremental one should have. Airflow's own retries come first: %(airflow_after)s
-- seconds, else %(failed_after)s. Left out: what is switched off, was tried a moment ago,
-- or %(most_tries)s times in vain. %(sources)s: source systems looked at.
-- Returns job_id, attempt, source_system, entity_type, job_type, status. Reads only; cheap
-- while nothing is stale.
SELECT j.id AS job_id, j.attempt, j.source_system, j.entity_type, j.job_type, j.status
FROM (
    SELECT * FROM ops.sync_jobs WHERE status IN ('pending', 'running', 'waiting')
    UNION ALL
    SELECT * FROM ops.sync_jobs AS f
    WHERE f.status = 'failed' AND f.completed_at > now() - interval '14 days'
        AND NOT EXISTS (
            SELECT FROM ops.sync_jobs AS later
            WHERE later.source_system = f.source_system
                AND later.entity_type = f.entity_type
                AND later.id > f.id
                AND later.via = f.via
                AND (
                    later.job_type = f.job_type
                    OR (
                        f.job_type = 'incremental' AND later.job_type = 'full'
                        AND later.status IN ('success', 'partial')
                    )
                )
            -- No join: asked for each of the few that failed, from there on.
            ORDER BY later.id OFFSET 0
        )
) AS j
LEFT JOIN ops.job_recoveries AS r ON r.job_id = j.id
WHERE j.source_system = ANY(%(sources)s)
    AND j.job_type = ANY(%(job_types)s)
    -- A file is where it was dropped; whoever has it brings it again.
    AND j.via <> 'csv'
    AND CASE j.status
        WHEN 'waiting'
            THEN j.resume_at < clock_timestamp() - make_interval(secs => %(late_after)s)
        WHEN 'failed'
            THEN j.error_type = ANY(%(resumable)s)
            AND j.completed_at < clock_timestamp() - make_interval(
                secs => CASE WHEN j.run_id IS NULL THEN %(failed_after)s
                    ELSE %(airflow_after)s END
            )
        ELSE j.heartbeat_at < clock_timestamp() - make_interval(secs => %(dead_after)s)
    END
    AND (
        r.job_id IS NULL
        OR j.chunks > r.chunks
        OR (j.status = 'waiting' AND j.attempt > r.attempt)
        OR (r.next_try_at <= clock_timestamp() AND r.tries < %(most_tries)s)
    )
    AND NOT EXISTS (
        SELECT FROM ops.sync_configurations AS c
        WHERE c.source_system = j.source_system AND c.entity_type = j.entity_type
            AND NOT c.is_active
    )
    AND NOT EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (
                SELECT oid FROM pg_database WHERE datname = current_database()
            )
            AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(
                'crm_warehouse:' || j.source_system || ':' || j.entity_type, 0
            )
            AND NOT (
                j.status = 'running' AND l.pid IS NOT DISTINCT FROM j.backend_pid
                AND j.heartbeat_at < clock_timestamp() - make_interval(
                    secs => %(cut_after)s
                )
                AND NOT ops.is_at_work(l.pid)
            )
    )
