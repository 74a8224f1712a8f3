-- Let living rows of warehouse.{table} have the columns {taken} from the rows of warehouse.{origin} that
-- they name: a row's {own} is the other's {named}. Where that row is gone, what it gave goes;
-- rows with values of their own ({first} filled, {marker} not) are left alone.
-- {nothing}: as many times NULL. {marker}: remembers which row gave them.
-- Returns nothing. Safe to repeat: equal rows are not written. The caller holds the links of
-- both tables (lock_links.sql); every job of either runs this after its data is committed,
-- so that of two jobs that load both at once the later one finds what the other could not see.
UPDATE warehouse.{table} AS child SET
    {assignments}
    {marker} = found.origin_source_id,
    updated_at = clock_timestamp(),
    last_synced = clock_timestamp()
FROM (
    (
        SELECT DISTINCT ON (t.id) t.id, o.source_id AS origin_source_id, {taken}
        FROM warehouse.{origin} AS o
        JOIN warehouse.{table} AS t ON t.{own} = o.{named}
        WHERE o.source_system = %(source_system)s
            AND NOT o.is_deleted
            AND NOT t.is_deleted
            AND (t.{marker} IS NOT NULL OR t.{first} IS NULL)
        ORDER BY t.id, o.source_id
    )
    UNION ALL
    SELECT t.id, NULL, {nothing}
    FROM warehouse.{table} AS t
    WHERE t.source_system = %(source_system)s
        AND t.{marker} IS NOT NULL
        AND NOT t.is_deleted
        AND NOT EXISTS (
            SELECT FROM warehouse.{origin} AS o
            WHERE o.{named} = t.{own} AND NOT o.is_deleted
        )
) AS found
WHERE child.id = found.id
    AND (child.{marker}, {child_columns})
        IS DISTINCT FROM (found.origin_source_id, {found_columns})
