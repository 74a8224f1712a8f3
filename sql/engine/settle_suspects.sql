-- Forget that these records seemed to differ: they were judged. Returns nothing.
-- Safe to repeat. Part of the transaction that moves the job on.
DELETE FROM ops.reconciliation_differences AS d
USING ops.reconciliations AS r
WHERE r.job_id = %(job_id)s
    AND d.reconciliation_id = r.id
    AND d.reason = 'suspect'
    AND d.fingerprint = ANY(%(fingerprints)s)
