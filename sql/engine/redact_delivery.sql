-- Put a body without a person's values, which is JSON, in place of a delivery's, and keep
-- the digest of the signed one. Returns nothing. Safe to repeat: the first digest stays.
UPDATE staging.webhook_deliveries SET
    body = %(body)s,
    content_type = 'application/json',
    body_sha256 = coalesce(body_sha256, %(sha256)s),
    redacted_at = clock_timestamp()
WHERE id = %(id)s
