-- Entries of the quarantine by reason, most first; those of failed jobs left out.
-- Filters as in list_quarantine.sql. Reads only.
-- Returns one row each: count, source_system, entity_type, severity, error_type, field,
-- rule.
SELECT
    count(*) AS count, source_system, entity_type, severity, error_type, field, rule
FROM ops.sync_errors
WHERE fingerprint NOT LIKE 'job:%%'
    AND (%(resolved)s OR NOT resolved)
    AND (%(id)s::bigint IS NULL OR id = %(id)s)
    AND (%(source_system)s::text IS NULL OR source_system = %(source_system)s)
    AND (%(entity_type)s::text IS NULL OR entity_type = %(entity_type)s)
    AND (%(severity)s::text IS NULL OR severity = %(severity)s)
    AND (%(error_type)s::text IS NULL OR error_type = %(error_type)s)
    AND (%(field)s::text IS NULL OR %(field)s IN (field, substring(field from '[^.]*$')))
    AND (%(rule)s::text IS NULL OR rule = %(rule)s)
GROUP BY source_system, entity_type, severity, error_type, field, rule
ORDER BY count DESC, source_system, entity_type, error_type, field, rule
