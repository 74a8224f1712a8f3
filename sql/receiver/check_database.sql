-- Whether the inbox is there and safe. Returns one row: names of the settings that let a
-- crash of the server lose committed rows, and whether the inbox's table exists.
-- Reads only.
SELECT
    ARRAY(
        SELECT name FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
        ORDER BY name
    ) AS lossy,
    to_regclass('staging.webhook_deliveries') IS NOT NULL AS migrated
