-- Put a body without a person's values, which is JSON, in place of a delivery's, and keep
-- a digest of the signed one that only the key in ops.erasure_key can tell. %(replay_key)s
-- is its replay key, hidden where it is a hash of the body. Returns nothing.
-- Safe to repeat: the first digest stays, and what is hidden is hidden once. Where a row
-- has that replay key, which a process of an earlier release may leave, the id is added.
UPDATE staging.webhook_deliveries AS d SET
    body = %(body)s,
    content_type = 'application/json',
    body_sha256 = coalesce(d.body_sha256, %(sha256)s),
    replay_key = %(replay_key)s || CASE
        WHEN EXISTS (
            SELECT FROM staging.webhook_deliveries AS taken
            WHERE taken.source_system = d.source_system
                AND taken.replay_key = %(replay_key)s AND taken.id <> d.id
        )
            THEN '/' || d.id
        ELSE ''
    END,
    redacted_at = clock_timestamp()
WHERE d.id = %(id)s
