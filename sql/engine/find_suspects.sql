-- Ids of records that seemed to differ and were not judged yet, in a fixed order.
-- Returns one row each. Reads only.
SELECT d.source_id
FROM ops.reconciliation_differences AS d
JOIN ops.reconciliations AS r ON r.id = d.reconciliation_id
WHERE r.job_id = %(job_id)s AND d.reason = 'suspect'
ORDER BY d.fingerprint
