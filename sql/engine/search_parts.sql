-- Records of raw.{table} that are part of some others, by what they say themselves: {whole}.
-- %(ids)s: source ids of the others. Returns source_id. Reads only, the whole table: the
-- caller holds nothing yet.
SELECT source_id
FROM raw.{table}
WHERE source_system = %(source_system)s AND {whole} = ANY(%(ids)s)
