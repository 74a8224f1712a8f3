-- Add to what a job compared. Returns nothing. Part of the transaction that moves the job
-- on, and undone with it, so nothing counts twice.
UPDATE ops.reconciliations SET
    in_source = in_source + %(in_source)s,
    compared = compared + %(compared)s,
    asked_again = asked_again + %(asked_again)s
WHERE job_id = %(job_id)s
