-- Which of these records of an entity were erased: nothing of them is stored again.
-- %(ids)s: source ids. Returns their source ids. Reads only; costs next to nothing while
-- none of the entity was.
SELECT source_id
FROM ops.erased_records
WHERE source_system = %(source_system)s
    AND entity_type = %(entity_type)s
    AND source_id = ANY(%(ids)s)
    AND EXISTS (
        SELECT FROM ops.erased_records
        WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
    )
