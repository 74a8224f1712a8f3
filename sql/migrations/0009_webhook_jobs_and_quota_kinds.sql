-- Jobs that webhooks cause, and quotas that count one kind of request only.
-- Changes ops.sync_jobs, ops.api_quota, ops.take_quota. Applied once, in one transaction;
-- a process of the release before goes on working.

ALTER TABLE ops.sync_jobs
    DROP CONSTRAINT sync_jobs_job_type,
    DROP CONSTRAINT sync_jobs_via,
    ADD CONSTRAINT sync_jobs_job_type
        CHECK (job_type IN ('incremental', 'full', 'replay', 'webhook')) NOT VALID,
    ADD CONSTRAINT sync_jobs_via
        CHECK (via IN ('api', 'database', 'csv', 'webhook')) NOT VALID;
ALTER TABLE ops.sync_jobs VALIDATE CONSTRAINT sync_jobs_job_type;
ALTER TABLE ops.sync_jobs VALIDATE CONSTRAINT sync_jobs_via;

ALTER TABLE ops.api_quota ADD COLUMN kind text NOT NULL DEFAULT '';
COMMENT ON COLUMN ops.api_quota.kind IS
    'Kind of request that alone counts, e.g. search; empty: every request';

-- Takes one request of every quota of a source account that counts requests of its
-- kind, or says how long to wait. Returns 0 when the request was counted, else seconds
-- until it may be asked again (nothing is counted then). The window slides in sixtieths
-- and counts the oldest bucket whole, so that no window of the source ever holds more
-- than the limit. Two callers cannot both take the last request: the rows of
-- ops.api_quota are locked.
DROP FUNCTION ops.take_quota(text);
CREATE FUNCTION ops.take_quota(account text, request_kind text DEFAULT '')
RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    quota record;
    wait double precision := 0;
    used_now bigint;
    free_at timestamptz;
    moment timestamptz;
BEGIN
    PERFORM 1 FROM ops.api_quota
    WHERE source_system = account AND kind IN ('', request_kind)
    ORDER BY name FOR UPDATE;
    moment := clock_timestamp();
    FOR quota IN
        SELECT * FROM ops.api_quota
        WHERE source_system = account AND kind IN ('', request_kind)
    LOOP
        -- Running sum from the newest bucket back: the bucket in which it reaches the
        -- limit must leave the window before another request fits.
        SELECT max(bucket + make_interval(secs => quota.per_seconds * 61 / 60)) INTO free_at
        FROM (
            SELECT bucket, sum(used) OVER (ORDER BY bucket DESC) AS running
            FROM ops.api_quota_usage
            WHERE source_system = account AND name = quota.name
                AND bucket > moment - make_interval(secs => quota.per_seconds * 61 / 60)
        ) AS recent
        WHERE running >= quota.limit_requests;
        wait := greatest(wait, coalesce(extract(epoch FROM free_at - moment), 0));
    END LOOP;
    IF wait > 0 THEN
        RETURN wait;
    END IF;
    WITH counted AS (
        INSERT INTO ops.api_quota_usage AS u (source_system, name, bucket, used)
        SELECT account, q.name,
            to_timestamp(floor(extract(epoch FROM moment) * 60 / q.per_seconds) * q.per_seconds / 60), 1
        FROM ops.api_quota AS q
        WHERE q.source_system = account AND q.kind IN ('', request_kind)
        ON CONFLICT (source_system, name, bucket) DO UPDATE SET used = u.used + 1
        RETURNING u.used
    )
    SELECT min(used) INTO used_now FROM counted;
    IF used_now = 1 THEN
        DELETE FROM ops.api_quota_usage u USING ops.api_quota q
        WHERE u.source_system = account AND q.source_system = account AND q.name = u.name
            AND u.bucket < moment - make_interval(secs => q.per_seconds * 2);
    END IF;
    RETURN 0;
END $$;
