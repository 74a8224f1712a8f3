-- Whether the inbox is there and safe. Returns one row: names of the settings that let a
-- crash of the server lose committed rows, whether the inbox's table exists, whether a
-- crash would empty it, whether the server only reads, and whether this role may write.
-- Reads only.
WITH inbox AS (SELECT to_regclass('staging.webhook_deliveries') AS id)
SELECT
    ARRAY(
        SELECT name FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
        ORDER BY name
    ) AS lossy,
    inbox.id IS NOT NULL AS is_migrated,
    EXISTS (
        SELECT FROM pg_class WHERE oid = inbox.id AND relpersistence <> 'p'
    ) AS is_unlogged,
    current_setting('transaction_read_only') = 'on' AS is_read_only,
    coalesce(has_table_privilege(inbox.id, 'INSERT'), false) AS may_insert
FROM inbox
