-- OAuth tokens that were refreshed, and quotas of a day that begin at the account's midnight.
-- Makes ops.oauth_tokens, changes ops.api_quota and the functions that count its requests.
-- Applied once, in one transaction; a process of the release before goes on working.

CREATE TABLE ops.oauth_tokens (
    connection_id text NOT NULL,
    app text NOT NULL,
    seed text,
    seeded_at timestamptz,
    former_seeds text[] NOT NULL DEFAULT '{}',
    generation bigint NOT NULL DEFAULT 0,
    refresh_token text,
    access_token text,
    expires_at timestamptz,
    refreshed_at timestamptz,
    PRIMARY KEY (connection_id, app)
);
COMMENT ON TABLE ops.oauth_tokens IS
    'Each record represents one connection that logs in by OAuth as one app, and the newest tokens its source gave. Example: when was a token last refreshed?';
COMMENT ON COLUMN ops.oauth_tokens.connection_id IS 'Airflow connection id';
COMMENT ON COLUMN ops.oauth_tokens.app IS
    'Digest of the app''s client_id: tokens of one app are of no use to another';
COMMENT ON COLUMN ops.oauth_tokens.seed IS
    'Digest of the refresh token in the connection from which these descend';
COMMENT ON COLUMN ops.oauth_tokens.seeded_at IS 'When that was first used';
COMMENT ON COLUMN ops.oauth_tokens.former_seeds IS
    'Digests of those before it, which processes that began earlier may hold for a day';
COMMENT ON COLUMN ops.oauth_tokens.generation IS 'Counts the refreshes';
COMMENT ON COLUMN ops.oauth_tokens.refresh_token IS 'Sealed (AES-256-GCM)';
COMMENT ON COLUMN ops.oauth_tokens.access_token IS 'Sealed (AES-256-GCM)';
COMMENT ON COLUMN ops.oauth_tokens.expires_at IS 'Until when the access token is good';
COMMENT ON COLUMN ops.oauth_tokens.refreshed_at IS 'When the source gave them';
-- Only the role that loads needs them: whoever may read schema ops need not read these.
REVOKE ALL ON ops.oauth_tokens FROM PUBLIC;

ALTER TABLE ops.api_quota
    ADD COLUMN time_zone text,
    ADD COLUMN time_zone_asked_at timestamptz;
COMMENT ON COLUMN ops.api_quota.time_zone IS
    'Zone of the account, at whose midnight a quota of a day begins anew; NULL: not known, the last 24 hours count';
COMMENT ON COLUMN ops.api_quota.time_zone_asked_at IS
    'When the source was last asked for the zone';

-- How long a request counts. The margin of windows of about a second is wider now: threads of
-- one process send side by side, and wait for each other between grant and sending. A sixtieth
-- for the bucket and 17/180 make 1/0.9: nine tenths of the limit stay usable.
CREATE OR REPLACE FUNCTION ops.quota_span(per_seconds double precision) RETURNS interval
LANGUAGE sql IMMUTABLE AS
'SELECT make_interval(
    secs => per_seconds * 61 / 60
        + greatest(least(per_seconds / 20, 2), least(per_seconds * 17 / 180, 0.1))
)';

-- When a day of a zone begins by the source's count, and a minute more, because its clock
-- may be behind ours. Where a midnight comes twice, the later one; where none comes, the
-- instant at which the clocks leap.
CREATE FUNCTION ops.quota_midnight(zone text, day date) RETURNS timestamptz
LANGUAGE sql STABLE AS
$$SELECT day::timestamp AT TIME ZONE zone + interval '1 minute'$$;

CREATE FUNCTION ops.quota_day_start(zone text, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT max(midnight) FROM (
        SELECT ops.quota_midnight(zone, (moment AT TIME ZONE zone)::date - back) AS midnight
        FROM generate_series(0, 1) AS back
    ) AS m WHERE midnight <= moment
$$;

CREATE FUNCTION ops.quota_day_end(zone text, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT min(midnight) FROM (
        SELECT ops.quota_midnight(zone, (moment AT TIME ZONE zone)::date + ahead) AS midnight
        FROM generate_series(0, 1) AS ahead
    ) AS m WHERE midnight > moment
$$;

-- Buckets after this count at an instant: those of the window, or of the account's day. The
-- bucket in which the day began counts whole.
CREATE FUNCTION ops.quota_from(quota ops.api_quota, instant timestamptz)
RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF quota.time_zone IS NULL THEN
        RETURN instant - ops.quota_span(quota.per_seconds);
    END IF;
    RETURN ops.quota_day_start(quota.time_zone, instant)
        - make_interval(secs => quota.per_seconds / 60);
END $$;

CREATE OR REPLACE FUNCTION ops.quota_used_by(
    quota ops.api_quota, entity text, moment timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT coalesce(sum(s.used), 0) FROM ops.api_quota_shares AS s
        WHERE s.source_system = quota.source_system AND s.name = quota.name
            AND s.entity_type = entity
            AND s.bucket > ops.quota_from(quota, moment)
    );
END $$;

-- Requests that a limit must have room for at an instant, so that the asker may send some
-- more and everybody else who wants could still get as many as the asker had before.
--
-- used: requests counted then if nobody asks until then; kept: those that only merges of
-- webhooks may use; claimed: those left to entities that have had fewer. Far from the
-- limit the two are the most that they can be, which is all that is asked then.
CREATE OR REPLACE FUNCTION ops.quota_need(
    quota ops.api_quota, asker text, requests bigint, shared boolean,
    moment timestamptz, instant timestamptz,
    OUT used bigint, OUT kept bigint, OUT claimed bigint
) LANGUAGE plpgsql AS $$
DECLARE
    others bigint := 0;
    level bigint := 0;
BEGIN
    SELECT coalesce(sum(u.used), 0) INTO used FROM ops.api_quota_usage AS u
    WHERE u.source_system = quota.source_system AND u.name = quota.name
        AND u.bucket > ops.quota_from(quota, instant);
    IF quota.others_until > instant THEN
        used := used + quota.others_used;
    END IF;
    kept := 0;
    IF asker <> 'webhooks' AND quota.kind = '' THEN
        kept := floor(quota.webhook_share * ops.quota_limit(quota));
    END IF;
    IF shared THEN
        SELECT count(*) INTO others FROM ops.api_quota_wants AS w
        WHERE w.source_system = quota.source_system AND w.name = quota.name
            AND w.entity_type <> asker;
    END IF;
    IF others > 0 THEN
        level := ops.quota_used_by(quota, asker, instant) + requests - 1;
    END IF;
    claimed := others * level;
    IF used + requests + kept + claimed <= ops.quota_limit(quota) THEN
        RETURN;
    END IF;
    IF kept > 0 THEN
        kept := greatest(0, kept - ops.quota_used_by(quota, 'webhooks', instant));
    END IF;
    IF claimed > 0 THEN
        SELECT coalesce(sum(greatest(0, least(w.demand, level)
            - ops.quota_used_by(quota, w.entity_type, instant)
            - CASE w.entity_type WHEN 'webhooks' THEN kept ELSE 0 END)), 0)
        INTO claimed FROM ops.quota_wants(quota, asker, moment) AS w;
    END IF;
END $$;

-- The first instant at which a limit has room for some requests of the asker, if nobody
-- else asks until then. Room only grows: halving finds it.
CREATE OR REPLACE FUNCTION ops.quota_free_at(
    quota ops.api_quota, asker text, requests bigint, shared boolean, moment timestamptz
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    leaving timestamptz[];
    first integer := 1;
    last integer;
    middle integer;
    need record;
BEGIN
    SELECT array_agg(l.instant ORDER BY l.instant) INTO leaving FROM (
        SELECT u.bucket + ops.quota_span(quota.per_seconds) AS instant
        FROM ops.api_quota_usage AS u
        WHERE u.source_system = quota.source_system AND u.name = quota.name
        UNION ALL SELECT quota.others_until
        UNION ALL SELECT ops.quota_day_end(quota.time_zone, moment)
        UNION ALL SELECT moment
    ) AS l WHERE l.instant >= moment;
    last := cardinality(leaving);
    WHILE first < last LOOP
        middle := (first + last) / 2;
        need := ops.quota_need(
            quota, asker, requests, shared, moment, leaving[middle]);
        IF need.used + requests + need.kept + need.claimed <= ops.quota_limit(quota) THEN
            last := middle;
        ELSE
            first := middle + 1;
        END IF;
    END LOOP;
    RETURN leaving[last];
END $$;

-- Hears what an answer told of a limit. What other programs use lies between two bounds:
-- what the source counted less all that we may have sent of it, and less all of it that
-- must have arrived; what is believed moves only as far as the bounds say. What a source
-- allows above our limit others may use before they take from ours. It is forgotten with
-- the account's day, or soon, where nobody knows the day. Our own count is never touched.
-- asked_at: when the request was counted that was answered.
CREATE OR REPLACE FUNCTION ops.learn_quota(
    account text, quota_name text, told integer, remaining integer, asked_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    quota ops.api_quota;
    moment timestamptz;
    counted bigint;
    ours_most bigint;
    ours_least bigint;
    margin interval;
    believed bigint;
BEGIN
    SELECT * INTO quota FROM ops.api_quota
    WHERE source_system = account AND name = quota_name FOR UPDATE;
    moment := clock_timestamp();
    margin := ops.quota_span(quota.per_seconds) - make_interval(secs => quota.per_seconds);
    counted := least(told, quota.limit_requests) - remaining;
    SELECT
        coalesce(sum(u.used) FILTER (
            WHERE u.bucket > ops.quota_from(quota, asked_at)), 0),
        coalesce(sum(u.used) FILTER (
            WHERE u.bucket > greatest(
                moment - make_interval(secs => quota.per_seconds) + margin,
                ops.quota_day_start(quota.time_zone, moment))
            AND u.bucket < asked_at - margin), 0)
    INTO ours_most, ours_least
    FROM ops.api_quota_usage AS u
    WHERE u.source_system = account AND u.name = quota_name;
    believed := CASE WHEN quota.others_until > moment THEN quota.others_used ELSE 0 END;
    believed := greatest(
        0, counted - ours_most, least(believed, counted - ours_least));
    UPDATE ops.api_quota AS q SET
        told_limit = CASE WHEN told < q.limit_requests THEN told END,
        others_used = believed,
        others_until = coalesce(
            ops.quota_day_end(q.time_zone, moment),
            moment + make_interval(secs => least(q.per_seconds, 600))),
        updated_at = moment
    WHERE q.source_system = account AND q.name = quota_name;
END $$;
