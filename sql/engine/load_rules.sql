-- Validation rules of an entity that are active, by name. Reads only.
-- Returns one row each: name, field, rule_type, config, on_error.
SELECT name, field, rule_type, config, on_error
FROM ops.sync_validation_rules
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s AND is_active
ORDER BY name
