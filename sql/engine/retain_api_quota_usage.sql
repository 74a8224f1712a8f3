-- Delete counted requests that are older than ops.retention says, and than two windows of
-- their limit. At most %(limit)s. Returns one row: deleted. Safe to repeat.
WITH gone AS (
    DELETE FROM ops.api_quota_usage WHERE ctid IN (
        SELECT u.ctid FROM ops.api_quota_usage AS u
        JOIN ops.api_quota AS q ON q.source_system = u.source_system AND q.name = u.name
        JOIN ops.retention AS r ON r.name = 'api_quota_usage'
        WHERE u.bucket < clock_timestamp() - greatest(
            make_interval(days => r.days), make_interval(secs => q.per_seconds * 2)
        )
        LIMIT %(limit)s
    )
    RETURNING 1
)
SELECT count(*) FROM gone
