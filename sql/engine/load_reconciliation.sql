-- The comparison that a job made. Returns one row or none. Reads only.
SELECT
    id AS reconciliation_id, extent, repair, in_source, in_raw, in_rows, compared,
    asked_again, differences, by_reason, repaired, verdict
FROM ops.reconciliations WHERE job_id = %(job_id)s
