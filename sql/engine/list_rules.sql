-- Validation rules, active or not, with how many records and fields they hold in
-- quarantine. %(source_system)s, %(entity_type)s: only those; NULL: any. Reads only.
-- Returns one row each: source_system, entity_type, name, field, rule_type, config,
-- on_error, is_active, description, open.
SELECT
    r.source_system, r.entity_type, r.name, r.field, r.rule_type, r.config, r.on_error,
    r.is_active, r.description, count(s.id) AS open
FROM ops.sync_validation_rules AS r
LEFT JOIN ops.sync_errors AS s
    ON s.source_system = r.source_system AND s.entity_type = r.entity_type
    AND s.rule = r.name AND s.error_type = 'validation_rule' AND NOT s.resolved
WHERE (%(source_system)s::text IS NULL OR r.source_system = %(source_system)s)
    AND (%(entity_type)s::text IS NULL OR r.entity_type = %(entity_type)s)
GROUP BY r.id
ORDER BY r.source_system, r.entity_type, r.name
