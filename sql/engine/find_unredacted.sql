-- Erased records of a source system for which the inbox is still to be looked through.
-- Returns entity_type, source_id. Reads only.
SELECT entity_type, source_id
FROM ops.erased_records
WHERE source_system = %(source_system)s AND redacted_at IS NULL
