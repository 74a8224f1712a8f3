-- Quotas that are shared fairly, keep a share for webhooks and are held when the source says so.
-- Changes ops.api_quota, ops.take_quota; adds ops.api_quota_shares, _wants, _holds and
-- ops.take_request. Applied once, in one transaction; a process of the release before goes on
-- working: its ops.take_quota takes from the same quotas.

ALTER TABLE ops.api_quota
    ADD COLUMN webhook_share double precision NOT NULL DEFAULT 0,
    ADD COLUMN told_limit integer,
    ADD COLUMN others_used integer NOT NULL DEFAULT 0,
    ADD COLUMN others_until timestamptz;
COMMENT ON COLUMN ops.api_quota.webhook_share IS
    'Share of the limit that only merges of webhooks may use';
COMMENT ON COLUMN ops.api_quota.told_limit IS
    'Lower limit that the source tells, obeyed instead; NULL when it tells none';
COMMENT ON COLUMN ops.api_quota.others_used IS
    'Requests of other programs in the window that take from our limit, as far as answers prove';
COMMENT ON COLUMN ops.api_quota.others_until IS
    'When others_used is forgotten, unless an answer proves it again';

-- A limit takes what was counted along to another name.
ALTER TABLE ops.api_quota_usage
    DROP CONSTRAINT api_quota_usage_source_system_name_fkey,
    ADD FOREIGN KEY (source_system, name) REFERENCES ops.api_quota
        ON UPDATE CASCADE ON DELETE CASCADE;

CREATE TABLE ops.api_quota_shares (
    source_system text NOT NULL,
    name text NOT NULL,
    entity_type text NOT NULL,
    bucket timestamptz NOT NULL,
    used integer NOT NULL,
    PRIMARY KEY (source_system, name, entity_type, bucket),
    FOREIGN KEY (source_system, name) REFERENCES ops.api_quota
        ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE ops.api_quota_shares IS
    'Each record represents the requests of one entity in one sixtieth of a quota''s window; older ones are deleted';

CREATE TABLE ops.api_quota_wants (
    source_system text NOT NULL,
    name text NOT NULL,
    entity_type text NOT NULL,
    granted_at timestamptz,
    refused_at timestamptz,
    pace_seconds double precision,
    resume_at timestamptz,
    wanted_until timestamptz,
    PRIMARY KEY (source_system, name, entity_type),
    FOREIGN KEY (source_system, name) REFERENCES ops.api_quota
        ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE ops.api_quota_wants IS
    'Each record represents an entity that uses a quota now, or waits for it';
COMMENT ON COLUMN ops.api_quota_wants.granted_at IS 'Its latest request';
COMMENT ON COLUMN ops.api_quota_wants.refused_at IS 'First refusal after a request';
COMMENT ON COLUMN ops.api_quota_wants.pace_seconds IS
    'From a request to the next while the quota lets it; a moving average';
COMMENT ON COLUMN ops.api_quota_wants.resume_at IS 'When it was told to ask again';
COMMENT ON COLUMN ops.api_quota_wants.wanted_until IS
    'Until when its share is kept for it; NULL when it does not wait';

CREATE TABLE ops.api_quota_holds (
    source_system text NOT NULL,
    kind text NOT NULL DEFAULT '',
    held_until timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (source_system, kind)
);
COMMENT ON TABLE ops.api_quota_holds IS
    'Each record represents a pause that a source asked for: no request of the kind (empty: none at all) before it is over';

-- How long a request counts: the window; a sixtieth, because its bucket counts whole until
-- its last request is old enough; and a margin, because requests may be closer together
-- when they arrive than when they were granted.
CREATE FUNCTION ops.quota_span(per_seconds double precision) RETURNS interval
LANGUAGE sql IMMUTABLE AS
'SELECT make_interval(secs => per_seconds * 61 / 60 + least(per_seconds / 20, 2))';

CREATE FUNCTION ops.quota_limit(quota ops.api_quota) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT least((quota).limit_requests, (quota).told_limit)';

-- Entities other than the asker that want a quota at a moment, and how many requests of
-- one window each can be thought to want: those that wait, all they can get; those that
-- ask and are not refused, what they use at their pace.
CREATE FUNCTION ops.quota_wants(quota ops.api_quota, asker text, moment timestamptz)
RETURNS TABLE (entity_type text, resume_at timestamptz, demand double precision)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT w.entity_type, w.resume_at,
        least(
            1.1 * quota.per_seconds / greatest(w.pace_seconds, 0.001),
            -- Somebody new may be about to end: believed no more than it has shown.
            CASE
                WHEN w.wanted_until > moment THEN NULL
                WHEN w.resume_at > moment - ops.quota_span(quota.per_seconds) THEN NULL
                ELSE 5 + 2 * ops.quota_used_by(quota, w.entity_type, moment)
            END
        )
    FROM ops.api_quota_wants AS w
    WHERE w.source_system = quota.source_system AND w.name = quota.name
        AND w.entity_type <> asker
        AND (
            w.wanted_until > moment
            OR w.granted_at > moment - make_interval(
                secs => 3 * coalesce(w.pace_seconds, 1)
                    + least(greatest(quota.per_seconds / 60, 1), 60)
            )
        );
END $$;

CREATE FUNCTION ops.quota_used_by(quota ops.api_quota, entity text, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT coalesce(sum(s.used), 0) FROM ops.api_quota_shares AS s
        WHERE s.source_system = quota.source_system AND s.name = quota.name
            AND s.entity_type = entity
            AND s.bucket > moment - ops.quota_span(quota.per_seconds)
    );
END $$;

-- Requests that a limit must have room for at an instant, so that the asker may send some
-- more and everybody else who wants could still get as many as the asker had before.
--
-- used: requests counted then if nobody asks until then; kept: those that only merges of
-- webhooks may use; claimed: those left to entities that have had fewer. Far from the
-- limit the two are the most that they can be, which is all that is asked then.
CREATE FUNCTION ops.quota_need(
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
        AND u.bucket > instant - ops.quota_span(quota.per_seconds);
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
CREATE FUNCTION ops.quota_free_at(
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

-- When an asker that a limit refuses shall ask again. Whoever would wait for more than a
-- few seconds sleeps until about a minute's worth of its share is there, since waking up
-- costs more than a request. Whoever waits for the sake of others looks soon after they
-- could ask: they may want less than their share.
CREATE FUNCTION ops.quota_resume_at(
    quota ops.api_quota, asker text, moment timestamptz
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    patience double precision := quota.per_seconds / 20;
    requests bigint := 1;
    others bigint;
    others_resume_at timestamptz;
    soon timestamptz := moment + interval '5 seconds';
    need record := ops.quota_need(quota, asker, 1, true, moment, soon);
    free_at timestamptz;
BEGIN
    SELECT count(*), min(greatest(w.resume_at, moment)) INTO others, others_resume_at
    FROM ops.quota_wants(quota, asker, moment) AS w;
    IF need.used + 1 + need.kept + need.claimed > ops.quota_limit(quota) THEN
        requests := greatest(1, floor(
            ops.quota_limit(quota) * least(60, patience) / quota.per_seconds
            / (others + 1)));
    END IF;
    free_at := ops.quota_free_at(quota, asker, requests, true, moment);
    RETURN least(free_at,
        greatest(
            ops.quota_free_at(quota, asker, requests, false, moment), others_resume_at
        ) + make_interval(secs => least(180, patience)));
END $$;

-- Takes one request of every quota of a source account that counts requests of its kind,
-- or says how long to wait, and why. Two callers cannot both take the last request: the
-- rows of ops.api_quota are locked.
--
-- asker: the entity, or webhooks for a merge. wait: 0 when the request was counted, else
-- seconds until it may be asked again (nothing is counted then). held: what the source
-- said when all have to wait; else quota_name names the limit that makes wait longest, and
-- used, allowed, per_seconds, kept and claimed say how it stands. After a request taken_at
-- is when it was counted; quotas, unused and others_used are the general limits, what is
-- left of each, and what is thought to be used by other programs.
CREATE FUNCTION ops.take_request(
    account text, asker text, request_kind text,
    OUT wait double precision, OUT held text,
    OUT quota_name text, OUT used bigint, OUT allowed bigint,
    OUT per_seconds double precision, OUT kept bigint, OUT claimed bigint,
    OUT taken_at timestamptz, OUT quotas text[], OUT unused bigint[],
    OUT others_used bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    limits ops.api_quota[];
    quota ops.api_quota;
    need record;
    quota_wait double precision;
    others bigint;
BEGIN
    SELECT array_agg(q) INTO limits FROM (
        SELECT * FROM ops.api_quota
        WHERE source_system = account AND kind IN ('', request_kind)
        ORDER BY name FOR UPDATE
    ) AS q;
    taken_at := clock_timestamp();
    wait := 0;
    SELECT extract(epoch FROM h.held_until - taken_at), h.reason INTO wait, held
    FROM ops.api_quota_holds AS h
    WHERE h.source_system = account AND h.kind IN ('', request_kind)
        AND h.held_until > taken_at
    ORDER BY h.held_until DESC LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    wait := 0;
    FOREACH quota IN ARRAY coalesce(limits, '{}') LOOP
        need := ops.quota_need(quota, asker, 1, true, taken_at, taken_at);
        IF need.used + 1 + need.kept + need.claimed > ops.quota_limit(quota) THEN
            quota_wait := greatest(0.001, extract(
                epoch FROM ops.quota_resume_at(quota, asker, taken_at) - taken_at));
            IF quota_wait > wait THEN
                wait := quota_wait;
                quota_name := quota.name;
                used := need.used;
                allowed := ops.quota_limit(quota);
                per_seconds := quota.per_seconds;
                kept := need.kept;
                claimed := need.claimed;
            END IF;
        ELSIF quota.kind = '' THEN
            others := CASE WHEN quota.others_until > taken_at THEN quota.others_used ELSE 0 END;
            quotas := quotas || quota.name;
            unused := unused || ops.quota_limit(quota) - need.used - 1;
            others_used := others_used || others;
        END IF;
    END LOOP;
    IF wait > 0 THEN
        PERFORM ops.note_refusal(account, quota_name, asker, taken_at, wait);
    ELSE
        PERFORM ops.count_request(account, asker, request_kind, taken_at);
    END IF;
END $$;

-- Remembers that an entity waits for a quota. Its share is kept until it should be back:
-- soon after a wait inside its process, later after one in which its worker works for
-- others.
CREATE FUNCTION ops.note_refusal(
    account text, quota_name text, asker text, moment timestamptz, wait double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ops.api_quota_wants AS w (
        source_system, name, entity_type, refused_at, resume_at, wanted_until
    )
    SELECT account, quota_name, asker, moment, moment + make_interval(secs => wait),
        moment + make_interval(secs => wait + CASE WHEN wait > 5 THEN 600 ELSE 5 END)
    ON CONFLICT (source_system, name, entity_type) DO UPDATE SET
        refused_at = CASE
            WHEN w.wanted_until IS NULL THEN excluded.refused_at ELSE w.refused_at END,
        resume_at = excluded.resume_at,
        wanted_until = excluded.wanted_until;
END $$;

-- Seconds from an entity's latest request to the moment when it wanted the next.
CREATE FUNCTION ops.quota_pace(want ops.api_quota_wants, moment timestamptz)
RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT extract(epoch FROM CASE
        WHEN (want).wanted_until IS NOT NULL AND (want).refused_at > (want).granted_at
        THEN (want).refused_at ELSE moment END - (want).granted_at)
$$;

-- Counts a request in every quota that counts its kind.
CREATE FUNCTION ops.count_request(
    account text, asker text, request_kind text, moment timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    begun text[];
BEGIN
    WITH counted AS (
        INSERT INTO ops.api_quota_usage AS u (source_system, name, bucket, used)
        SELECT account, q.name, to_timestamp(
            floor(extract(epoch FROM moment) * 60 / q.per_seconds) * q.per_seconds / 60), 1
        FROM ops.api_quota AS q
        WHERE q.source_system = account AND q.kind IN ('', request_kind)
        ON CONFLICT (source_system, name, bucket) DO UPDATE SET used = u.used + 1
        RETURNING u.name, u.bucket, u.used
    ),
    shared AS (
        INSERT INTO ops.api_quota_shares AS s (
            source_system, name, entity_type, bucket, used
        )
        SELECT account, c.name, asker, c.bucket, 1 FROM counted AS c
        ON CONFLICT (source_system, name, entity_type, bucket)
        DO UPDATE SET used = s.used + 1
    ),
    wanted AS (
        INSERT INTO ops.api_quota_wants AS w (
            source_system, name, entity_type, granted_at
        )
        SELECT account, c.name, asker, moment FROM counted AS c
        ON CONFLICT (source_system, name, entity_type) DO UPDATE SET
            granted_at = moment,
            pace_seconds = coalesce(
                0.8 * w.pace_seconds + 0.2 * ops.quota_pace(w, moment),
                ops.quota_pace(w, moment)),
            wanted_until = NULL
    )
    SELECT array_agg(c.name) FILTER (WHERE c.used = 1) INTO begun FROM counted AS c;
    IF begun IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM ops.api_quota_usage AS u USING ops.api_quota AS q
    WHERE u.source_system = account AND u.name = ANY (begun)
        AND q.source_system = account AND q.name = u.name
        AND u.bucket < moment - make_interval(secs => q.per_seconds * 2);
    DELETE FROM ops.api_quota_shares AS s USING ops.api_quota AS q
    WHERE s.source_system = account AND s.name = ANY (begun)
        AND q.source_system = account AND q.name = s.name
        AND s.bucket < moment - make_interval(secs => q.per_seconds * 2);
END $$;

-- Hears what an answer told of a limit. What other programs use lies between two bounds:
-- what the source counted less all that we may have sent of it, and less all of it that
-- must have arrived; what is believed moves only as far as the bounds say. What a source
-- allows above our limit others may use before they take from ours. Our own count is
-- never touched. asked_at: when the request was counted that was answered.
CREATE FUNCTION ops.learn_quota(
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
            WHERE u.bucket > asked_at - ops.quota_span(quota.per_seconds)), 0),
        coalesce(sum(u.used) FILTER (
            WHERE u.bucket > moment - make_interval(secs => quota.per_seconds) + margin
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
        others_until = moment + make_interval(secs => least(q.per_seconds, 600)),
        updated_at = moment
    WHERE q.source_system = account AND q.name = quota_name;
END $$;

-- What the release before calls: it does not say which entity asks.
CREATE OR REPLACE FUNCTION ops.take_quota(account text, request_kind text DEFAULT '')
RETURNS double precision LANGUAGE sql AS
$$SELECT wait FROM ops.take_request(account, '', request_kind)$$;

-- What was counted before belongs to nobody in particular.
INSERT INTO ops.api_quota_shares (source_system, name, entity_type, bucket, used)
SELECT source_system, name, '', bucket, used FROM ops.api_quota_usage;
