-- Lock the tokens that a connection has of an app against everybody else who wants to
-- refresh them. Returns seed, generation, refresh_token, access_token and seconds_left,
-- until when the access token is good; NULL and 0 where there are none yet. former_seeds
-- are those that a process may still hold which began before the latest change, a day ago
-- at most.
-- Safe to repeat: a row without tokens is committed only together with them.
INSERT INTO ops.oauth_tokens AS t (connection_id, app)
VALUES (%(connection_id)s, %(app)s)
ON CONFLICT (connection_id, app) DO UPDATE SET app = excluded.app
RETURNING
    t.seed,
    CASE
        WHEN t.seeded_at > clock_timestamp() - interval '24 hours' THEN t.former_seeds
        ELSE ARRAY[]::text[]
    END AS former_seeds,
    t.generation, t.refresh_token, t.access_token,
    coalesce(extract(epoch FROM t.expires_at - clock_timestamp()), 0)::double precision
        AS seconds_left
