-- Declare one limit of a source account. Returns nothing. Safe to repeat.
INSERT INTO ops.api_quota AS q (
    source_system, name, kind, limit_requests, per_seconds, webhook_share
)
VALUES (
    %(source_system)s, %(name)s, %(kind)s, %(limit_requests)s, %(per_seconds)s,
    %(webhook_share)s
)
ON CONFLICT (source_system, name) DO UPDATE SET
    kind = excluded.kind,
    limit_requests = excluded.limit_requests,
    per_seconds = excluded.per_seconds,
    webhook_share = excluded.webhook_share,
    updated_at = clock_timestamp()
WHERE (q.kind, q.limit_requests, q.per_seconds, q.webhook_share)
    IS DISTINCT FROM (
        excluded.kind, excluded.limit_requests, excluded.per_seconds,
        excluded.webhook_share
    )
