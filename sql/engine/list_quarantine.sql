-- Entries of the quarantine, latest first; those of failed jobs left out. Reads only.
-- A filter that is NULL lets everything pass; %(resolved)s: with resolved ones;
-- %(field)s: a column, with its table or of any.
-- Returns at most %(limit)s rows: id, source_system, entity_type, severity, error_type,
-- field, rule, error_message, source_id, page, job_id, seen_count, retry_count,
-- first_seen, last_seen, resolved, record_data.
SELECT
    id, source_system, entity_type, severity, error_type,
    field, rule, error_message, source_id, page, sync_job_id AS job_id, seen_count,
    retry_count, created_at AS first_seen, last_seen_at AS last_seen, resolved,
    CASE WHEN %(with_data)s THEN record_data END AS record_data
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
ORDER BY last_seen_at DESC, id DESC
LIMIT %(limit)s
