-- Take records out of the quarantine's entries about them, and close these; entries about
-- records without an id are known by the id that stands in them, or by a value of the
-- person's own. %(pattern)s: regular expression that finds the id; %(own)s: the values, in
-- lower case. Returns one row: erased. Safe to repeat.
WITH erased AS (
    UPDATE ops.sync_errors SET
        record_data = NULL,
        resolved = true,
        resolved_at = coalesce(resolved_at, clock_timestamp())
    WHERE source_system = %(source_system)s
        AND entity_type = %(entity_type)s
        AND (
            fingerprint = ANY(%(fingerprints)s)
            OR (
                source_id IS NULL
                AND (
                    record_data ~ %(pattern)s
                    OR EXISTS (
                        SELECT FROM unnest(%(own)s::text[]) AS own (value)
                        WHERE strpos(lower(record_data), own.value) > 0
                    )
                )
            )
        )
        AND (record_data IS NOT NULL OR NOT resolved)
    RETURNING 1
)
SELECT count(*) FROM erased
