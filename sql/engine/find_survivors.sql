-- Payloads in raw.{table} that may name one of some records as merged into theirs.
-- {places}: all that they say of it, as one text; %(pattern)s: regular expression that
-- finds the ids. Returns source_id, payload, payload_bytes. Reads only, the whole table:
-- the caller holds nothing yet.
SELECT source_id, payload::text AS payload, payload_bytes
FROM raw.{table}
WHERE source_system = %(source_system)s AND {places} ~ %(pattern)s
