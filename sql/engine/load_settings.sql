-- Settings of an entity. Returns one row: config, is_active. Reads only.
SELECT config, is_active FROM ops.sync_configurations
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
