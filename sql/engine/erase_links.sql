-- Delete links of warehouse.{table} of which {end} is an erased record.
-- Returns nothing. Safe to repeat.
DELETE FROM warehouse.{table}
WHERE source_system = %(source_system)s AND {end} = ANY(%(ids)s)
