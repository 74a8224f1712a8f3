-- Whether an account with a quota of a day is to be asked for its zone: never asked, or not
-- for a week. Returns true or false. Changes nothing.
SELECT coalesce(
    bool_or(q.time_zone_asked_at > clock_timestamp() - interval '7 days') IS NOT TRUE, false
)
FROM ops.api_quota AS q
WHERE q.source_system = %(source_system)s AND q.per_seconds = 86400
HAVING count(*) > 0
