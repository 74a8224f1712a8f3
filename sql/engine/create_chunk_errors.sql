-- The temporary table that the errors of one chunk are copied into; emptied by every
-- COMMIT. A chunk may be nothing but errors; each is looked up through the index.
-- Safe to repeat: IF NOT EXISTS.
CREATE TEMP TABLE IF NOT EXISTS chunk_errors (
    source_id text,
    fingerprint text NOT NULL,
    severity text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    field text NOT NULL,
    record_data text,
    rule text NOT NULL,
    page text,
    observed_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
CREATE INDEX IF NOT EXISTS chunk_errors_fingerprint ON chunk_errors (fingerprint)
