-- Ids of open entries of an entity's quarantine that can be mapped again. Reads only.
-- %(error_type)s, %(field)s, %(rule)s: only those; NULL lets everything pass.
-- Returns one row each: id.
SELECT id FROM ops.sync_errors
WHERE NOT resolved
    AND source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND (source_id IS NOT NULL OR record_data IS NOT NULL)
    AND (%(error_type)s::text IS NULL OR error_type = %(error_type)s)
    AND (%(field)s::text IS NULL OR %(field)s IN (field, substring(field from '[^.]*$')))
    AND (%(rule)s::text IS NULL OR rule = %(rule)s)
ORDER BY id
