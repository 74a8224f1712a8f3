-- Point rows of warehouse.{table} at parents that arrived after them.
-- Returns nothing. Safe to repeat: only rows without a parent are touched. Every job
-- of parent and child runs this after its data is committed, so that of two jobs that
-- load both at once the later one finds what the other could not see.
UPDATE warehouse.{table} AS child SET
    {column} = parent.id,
    updated_at = clock_timestamp()
FROM warehouse.{parent} AS parent
WHERE child.source_system = %(source_system)s
    AND child.{column} IS NULL
    AND child.{source_column} IS NOT NULL
    AND parent.source_system = child.source_system
    AND parent.source_id = child.{source_column}
