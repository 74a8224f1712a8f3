-- Write down differences that a job found: %(found)s, a list of objects. Returns nothing.
-- Safe to repeat: a difference that is known stays as it is. Part of the transaction that
-- moves the job on.
INSERT INTO ops.reconciliation_differences AS d (
    reconciliation_id, fingerprint, source_id, reason, fields
)
SELECT r.id, f.fingerprint, f.source_id, f.reason, f.fields
FROM ops.reconciliations AS r
CROSS JOIN jsonb_to_recordset(%(found)s)
    AS f (fingerprint text, source_id text, reason text, fields text[])
WHERE r.job_id = %(job_id)s
ON CONFLICT (reconciliation_id, fingerprint, reason) DO NOTHING
