-- Keep the tokens that a source just gave. Returns their generation.
-- Not repeatable without asking the source again: each call counts a refresh. The caller
-- holds the row's lock since before it asked.
UPDATE ops.oauth_tokens AS t SET
    former_seeds = %(former_seeds)s,
    seeded_at = CASE
        WHEN t.seed = %(seed)s THEN t.seeded_at ELSE clock_timestamp() END,
    seed = %(seed)s,
    generation = t.generation + 1,
    refresh_token = %(refresh_token)s,
    access_token = %(access_token)s,
    expires_at = clock_timestamp() + make_interval(secs => %(expires_in)s),
    refreshed_at = clock_timestamp()
WHERE t.connection_id = %(connection_id)s AND t.app = %(app)s
RETURNING t.generation
