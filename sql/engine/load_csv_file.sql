-- Which file a job imported. Returns one row or none. Reads only.
SELECT name, sha256, size_bytes, modified_at, is_snapshot, encoding, delimiter, notes
FROM ops.csv_files
WHERE job_id = %(job_id)s
