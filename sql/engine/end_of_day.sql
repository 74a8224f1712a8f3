-- Seconds until a new day begins for the quotas of an account. Returns a number; NULL while
-- the account's zone is not known. Changes nothing.
SELECT extract(
    epoch FROM min(ops.quota_day_end(q.time_zone, clock_timestamp())) - clock_timestamp()
)::double precision
FROM ops.api_quota AS q
WHERE q.source_system = %(source_system)s
