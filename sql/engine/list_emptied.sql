-- Columns of the unified table %(table)s that hold what a source sent, and may be NULL: all but
-- those that the warehouse keeps for itself, or makes of others. Returns their names, in order. Reads only.
SELECT attname
FROM pg_attribute
WHERE attrelid = to_regclass('warehouse.' || %(table)s)
    AND attnum > 0
    AND NOT attisdropped
    AND NOT attnotnull
    AND attgenerated = ''
    AND attname <> 'deleted_at'
ORDER BY attnum
