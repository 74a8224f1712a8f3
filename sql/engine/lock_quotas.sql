-- Keep all others from the limits of a source account until the transaction ends, in the
-- order in which ops.take_request locks them. Returns nothing of use. Safe to repeat.
SELECT name FROM ops.api_quota
WHERE source_system = %(source_system)s
ORDER BY name
FOR UPDATE
