-- Say of these records' differences that they were repaired, but for those that the second
-- look still found: %(left)s, a list of objects. Returns nothing. Safe to repeat. Part of
-- the transaction that repairs.
UPDATE ops.reconciliation_differences AS d SET repaired = true
FROM ops.reconciliations AS r
WHERE r.job_id = %(job_id)s
    AND d.reconciliation_id = r.id
    AND d.fingerprint = ANY(%(fingerprints)s)
    AND d.reason NOT IN ('not_asked', 'quarantined')
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(left)s) AS f (fingerprint text, reason text)
        WHERE f.fingerprint = d.fingerprint AND f.reason = d.reason
    )
