-- One webhook delivery whole; its body only %(with_body)s. Reads only.
-- Returns one row, or none: id, source_system, received_at, request_id, state, reason,
-- exploded_at, content_type, url, headers, body_bytes, retries, redacted_at, body_sha256,
-- body.
SELECT
    d.id, d.source_system, d.received_at, d.request_id, d.state,
    d.error_message AS reason, d.exploded_at, d.content_type, d.url, d.headers,
    d.body_bytes, d.retries, d.redacted_at, d.body_sha256,
    CASE WHEN %(with_body)s THEN d.body END AS body
FROM staging.webhook_deliveries AS d
WHERE d.id = %(id)s
