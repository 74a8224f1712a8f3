-- The key of the hashes by which the audit trail names what was erased. Returns one row.
-- Reads only.
SELECT key FROM ops.erasure_key
