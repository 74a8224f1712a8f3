-- Note which file a job imports. Returns nothing.
-- Safe to repeat: a resumed job's row is there already.
INSERT INTO ops.csv_files (
    job_id, source_system, entity_type, name, sha256, size_bytes, modified_at,
    is_snapshot, encoding, delimiter, notes
)
VALUES (
    %(job_id)s, %(source_system)s, %(entity_type)s, %(name)s, %(sha256)s,
    %(size_bytes)s, %(modified_at)s, %(is_snapshot)s, %(encoding)s, %(delimiter)s,
    %(notes)s
)
ON CONFLICT (job_id) DO NOTHING
