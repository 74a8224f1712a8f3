-- One source id that the job saw, the last of its latest chunk that has one.
-- Returns one row or none. Reads only. Keys of records without an id begin with \x02.
SELECT id
FROM ops.sync_job_ids, unnest(ids) WITH ORDINALITY AS seen (id, position)
WHERE job_id = %(job_id)s AND left(id, 1) <> E'\x02'
ORDER BY chunk DESC, position DESC
LIMIT 1
