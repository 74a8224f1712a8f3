-- How far an entity was read completely. Returns one row or none. Reads only.
SELECT watermark FROM ops.watermarks
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
    AND via = %(via)s
