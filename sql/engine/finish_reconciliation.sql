-- End the comparison that a job made: count both sides and what was found, and judge.
-- {raw_table}, {table}: the entity's. An open reject, and what a source
-- forgot, is explained, and no difference.
-- Returns nothing. Part of the job's last transaction.
UPDATE ops.reconciliations AS r SET
    completed_at = clock_timestamp(),
    in_raw = (
        SELECT count(*) FROM raw.{raw_table} AS t
        WHERE t.source_system = r.source_system AND NOT t.is_deleted
    ),
    in_rows = (
        SELECT count(*) FROM warehouse.{table} AS t
        WHERE t.source_system = r.source_system AND NOT t.is_deleted
    ),
    differences = found.differences,
    by_reason = found.by_reason,
    repaired = found.repaired,
    requests = %(requests)s,
    verdict = CASE WHEN found.open > 0 THEN 'different' ELSE 'equal' END
FROM (
    SELECT
        coalesce(sum(number), 0) AS differences,
        coalesce(sum(repaired), 0) AS repaired,
        coalesce(
            sum(number - repaired)
                FILTER (WHERE reason NOT IN ('quarantined', 'forgotten_there')),
            0
        ) AS open,
        coalesce(jsonb_object_agg(reason, number), jsonb_build_object()) AS by_reason
    FROM (
        SELECT d.reason, count(*) AS number, count(*) FILTER (WHERE d.repaired) AS repaired
        FROM ops.reconciliation_differences AS d
        JOIN ops.reconciliations AS of_job ON of_job.id = d.reconciliation_id
        WHERE of_job.job_id = %(job_id)s
        GROUP BY d.reason
    ) AS counted
) AS found
WHERE r.job_id = %(job_id)s
