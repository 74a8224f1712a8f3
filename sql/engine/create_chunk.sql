-- The two temporary tables that one chunk is copied into; emptied by every COMMIT.
-- {mapped}: column definitions of the unified table. Safe to repeat: IF NOT EXISTS.
CREATE TEMP TABLE IF NOT EXISTS chunk (
    source_id text NOT NULL,
    version timestamptz,
    observed_at timestamptz NOT NULL,
    payload_hash text NOT NULL,
    repeated boolean NOT NULL,
    rejected boolean NOT NULL,
    sync_hash text,
    {mapped},
    payload_bytes bytea,
    payload text
) ON COMMIT DELETE ROWS;

CREATE TEMP TABLE IF NOT EXISTS chunk_errors (
    source_id text,
    fingerprint text NOT NULL,
    severity text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    field text NOT NULL,
    record_data text
) ON COMMIT DELETE ROWS;
