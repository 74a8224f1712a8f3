-- The temporary table that the errors of one chunk are copied into; emptied by every
-- COMMIT. Safe to repeat: IF NOT EXISTS.
CREATE TEMP TABLE IF NOT EXISTS chunk_errors (
    source_id text,
    fingerprint text NOT NULL,
    severity text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    field text NOT NULL,
    record_data text
) ON COMMIT DELETE ROWS
