-- Whether maintenance has something to do: a stale job ({stale}), webhooks that nobody
-- merges ({overdue}), or the whole round, %(round_seconds)s seconds after the last one
-- that ended, or a twelfth of that after one that died.
-- Returns one row: urgent, whole. Reads only.
SELECT
    EXISTS ({stale}) OR EXISTS ({overdue}) AS urgent,
    NOT EXISTS (
        SELECT FROM ops.maintenance_runs AS m
        WHERE m.whole
            AND m.started_at > clock_timestamp() - make_interval(
                secs => CASE WHEN m.completed_at IS NULL THEN %(round_seconds)s / 12
                    ELSE %(round_seconds)s END
            )
    ) AS whole
