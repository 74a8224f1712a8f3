-- One entry of the quarantine that is open. Reads only.
-- Returns one row or none: source_system, entity_type.
SELECT source_system, entity_type FROM ops.sync_errors
WHERE id = %(id)s AND NOT resolved AND (source_id IS NOT NULL OR record_data IS NOT NULL)
