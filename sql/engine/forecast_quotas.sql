-- How the limits of an account stand for an asker, as its next request would find them.
-- Returns one row each: name, kind, per_seconds, allowed, used, kept (what only merges of
-- webhooks may use), ends_seconds (until nothing of what is used counts any more), by_zone
-- (whether all of it ends then at once, at the account's midnight). Changes nothing.
SELECT
    q.name, q.kind, q.per_seconds, ops.quota_limit(q) AS allowed, need.used, need.kept,
    greatest(0, extract(epoch FROM coalesce(
        ops.quota_day_end(q.time_zone, at.moment),
        greatest(
            q.others_until,
            (
                SELECT max(u.bucket) FROM ops.api_quota_usage AS u
                WHERE u.source_system = q.source_system AND u.name = q.name
            ) + ops.quota_span(q.per_seconds)
        ),
        at.moment
    ) - at.moment))::double precision AS ends_seconds,
    q.time_zone IS NOT NULL AS by_zone
FROM ops.api_quota AS q
CROSS JOIN (SELECT clock_timestamp() AS moment) AS at
CROSS JOIN LATERAL ops.quota_need(
    q, %(asker)s, ops.quota_limit(q), false, at.moment, at.moment
) AS need
WHERE q.source_system = %(source_system)s
ORDER BY q.per_seconds, q.name
