-- Lock the tokens of a connection against everybody else who wants to refresh them. Returns
-- seed, former_seeds, generation, refresh_token, access_token and seconds_left, until when
-- the access token is good; NULL and 0 where there are none yet.
-- Safe to repeat: a row without tokens is committed only together with them.
INSERT INTO ops.oauth_tokens AS t (connection_id)
VALUES (%(connection_id)s)
ON CONFLICT (connection_id) DO UPDATE SET connection_id = excluded.connection_id
RETURNING
    t.seed, t.former_seeds, t.generation, t.refresh_token, t.access_token,
    coalesce(extract(epoch FROM t.expires_at - clock_timestamp()), 0)::double precision
        AS seconds_left
