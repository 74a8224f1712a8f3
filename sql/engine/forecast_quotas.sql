-- How the limits of an account stand for an asker, as its next request would find them.
-- Returns one row each: name, kind, per_seconds, allowed, used, kept (what only merges of
-- webhooks may use). Changes nothing.
SELECT q.name, q.kind, q.per_seconds, ops.quota_limit(q) AS allowed, need.used, need.kept
FROM ops.api_quota AS q
CROSS JOIN LATERAL ops.quota_need(
    q, %(asker)s, ops.quota_limit(q), false, clock_timestamp(), clock_timestamp()
) AS need
WHERE q.source_system = %(source_system)s
ORDER BY q.per_seconds, q.name
