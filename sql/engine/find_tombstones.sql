-- Records of raw.{table} that were marked as deleted since %(since)s and may live again:
-- neither merged nor erased, and not among %(archived)s, which the source still archives.
-- Returns their source ids, in order. Reads only.
SELECT r.source_id
FROM raw.{table} AS r
WHERE r.source_system = %(source_system)s
    AND r.is_deleted
    AND r.deleted_at > %(since)s
    AND NOT EXISTS (
        SELECT FROM unnest(%(archived)s::text[]) AS a (source_id)
        WHERE a.source_id = r.source_id
    )
    AND NOT EXISTS (
        SELECT FROM warehouse.merged_records AS m
        WHERE m.source_system = r.source_system
            AND m.unified_table = %(unified_table)s
            AND m.source_id = r.source_id
    )
    AND NOT EXISTS (
        SELECT FROM ops.erased_records AS e
        WHERE e.source_system = r.source_system
            AND e.entity_type = %(entity_type)s
            AND e.source_id = r.source_id
    )
ORDER BY r.source_id
