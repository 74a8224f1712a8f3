-- A temporary table that the rows of one chunk are copied into; emptied by every COMMIT.
-- {table}: its name. {mapped}: column definitions of the unified table and of links.
-- Safe to repeat: IF NOT EXISTS.
CREATE TEMP TABLE IF NOT EXISTS {table} (
    source_id text NOT NULL,
    version timestamptz,
    observed_at timestamptz NOT NULL,
    payload_hash text NOT NULL,
    repeated boolean NOT NULL,
    indexed boolean NOT NULL,
    rejected boolean NOT NULL,
    sync_hash text,
    {mapped},
    payload_bytes bytea,
    payload text
) ON COMMIT DELETE ROWS
