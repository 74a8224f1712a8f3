-- Which of these records were erased, of entities that fill one of %(tables)s: what is part
-- of them is not stored any more. %(ids)s: source ids. Returns their source ids. Reads only.
SELECT source_id
FROM ops.erased_records
WHERE source_system = %(source_system)s
    AND source_id = ANY(%(ids)s)
    AND unified_tables && %(tables)s::text[]
