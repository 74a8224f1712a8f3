-- Keep the zone that an account tells; one that PostgreSQL does not know, or none, leaves
-- the former one. What others have used of the day stays used until it ends.
-- Returns the zone that counts now, of each quota of a day. Safe to repeat.
WITH told AS (
    SELECT (SELECT z.name FROM pg_timezone_names AS z WHERE z.name = %(time_zone)s LIMIT 1)
        AS zone
)
UPDATE ops.api_quota AS q SET
    time_zone = coalesce(told.zone, q.time_zone),
    time_zone_asked_at = clock_timestamp(),
    others_until = CASE
        WHEN q.others_until > clock_timestamp() THEN coalesce(
            ops.quota_day_end(coalesce(told.zone, q.time_zone), clock_timestamp()),
            q.others_until
        )
        ELSE q.others_until
    END
FROM told
WHERE q.source_system = %(source_system)s AND q.per_seconds = 86400
RETURNING q.time_zone
