-- Which CSV files were imported, and when.
-- Adds one table to schema ops. Applied once, in one transaction; a load of the release
-- before goes on beside it, and knows nothing of it.

CREATE TABLE ops.csv_files (
    job_id bigint PRIMARY KEY REFERENCES ops.sync_jobs (id) ON DELETE CASCADE,
    source_system text NOT NULL,
    entity_type text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    modified_at timestamptz NOT NULL,
    is_snapshot boolean NOT NULL,
    encoding text NOT NULL,
    delimiter text NOT NULL,
    notes text[] NOT NULL DEFAULT '{}',
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Finds whether a file was imported before.
CREATE INDEX csv_files_content
    ON ops.csv_files (source_system, entity_type, sha256, is_snapshot);
COMMENT ON TABLE ops.csv_files IS
    'Each record represents one import of a CSV file; its job says how far it came. Example: was this export loaded already?';
COMMENT ON COLUMN ops.csv_files.job_id IS
    'Job of the import: state, counters and times are in ops.sync_jobs';
COMMENT ON COLUMN ops.csv_files.name IS 'Name of the file, without its folder';
COMMENT ON COLUMN ops.csv_files.sha256 IS
    'SHA-256 (hex) of the file: whatever it is called, the same content is imported once';
COMMENT ON COLUMN ops.csv_files.modified_at IS
    'When the file was written: what it says was observed then';
COMMENT ON COLUMN ops.csv_files.is_snapshot IS
    'Whether the file was to be the whole truth, so that what it lacks was deleted';
COMMENT ON COLUMN ops.csv_files.notes IS
    'What was found out about the file, and what is odd about its columns';
