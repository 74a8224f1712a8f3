-- Make identity.known_keys what the records of the chunk say: what a record does not say
-- any more ends, what it says anew begins. A record whose newest state is another than
-- the chunk's says nothing here ({current}). Nor is an erased record named again.
-- %(kept)s: kinds about which the records say nothing.
-- Returns nothing. Safe to repeat: what is said already is not written. The caller holds
-- the entity's rows (lock_rows.sql), so that nobody else writes what these records say,
-- and shares the known keys (share_links.sql), so that nobody is erased meanwhile.
WITH ended AS (
    UPDATE identity.known_keys AS t SET
        said_until = clock_timestamp(),
        end_reason = 'changed',
        end_job_id = %(job_id)s
    WHERE t.id = ANY(ARRAY(
        SELECT k.id
        FROM chunk AS c
        CROSS JOIN LATERAL (
            SELECT s.id, s.key_kind, s.key_value FROM identity.known_keys AS s
            WHERE s.source_system = %(source_system)s
                AND s.entity_type = %(entity_type)s
                AND s.source_id = c.source_id
                AND s.said_until IS NULL
            OFFSET 0  -- one look-up per record, whatever the planner knows of the table
        ) AS k
        WHERE NOT coalesce(c.known_keys -> k.key_kind ? k.key_value, false)
            AND NOT k.key_kind = ANY(%(kept)s)
            AND {current}
        ORDER BY k.id
        ))
)
INSERT INTO identity.known_keys (
    source_system, entity_type, source_id, key_kind, key_value, job_id
)
SELECT
    %(source_system)s, %(entity_type)s, c.source_id, said.kind, listed.value, %(job_id)s
FROM chunk AS c
CROSS JOIN LATERAL jsonb_each(c.known_keys) AS said (kind, keys)
CROSS JOIN LATERAL jsonb_array_elements_text(said.keys) AS listed (value)
WHERE CASE
        -- Look-ups one after the other, the one first that most often answers; with
        -- OFFSET, so that the planner makes no joins of them.
        WHEN EXISTS (
            SELECT FROM identity.known_keys AS k
            WHERE k.source_system = %(source_system)s
                AND k.entity_type = %(entity_type)s
                AND k.source_id = c.source_id
                AND k.key_kind = said.kind
                AND k.key_value = listed.value
                AND k.said_until IS NULL
            OFFSET 0
        ) THEN false
        WHEN NOT {current} THEN false
        ELSE NOT EXISTS (
            SELECT FROM ops.erased_records AS e
            WHERE e.source_system = split_part(said.kind, '.', 1)
                AND e.entity_type = split_part(said.kind, '.', 2)
                AND e.source_id = listed.value
            OFFSET 0
        )
    END
