-- Merge the rows of temporary table {chunk} into warehouse.{table}; the newest wins.
-- {columns}: mapped columns; {links}: columns that point at parents, looked up here
-- when the parent is known already ({parents}: the joins, which put the survivor in
-- place of a parent that was merged); {raw_table}: the entity's.
-- %(forced)s: source ids of rows that a comparison found to be wrong, although they say
-- of themselves that they are right.
-- Returns one row: created, updated (records seen before in this job left out), and
-- {written}: the source ids of both and of those, or NULL where nobody needs them.
-- Safe to repeat: a row with an equal hash, or a newer one, is not written; one that is
-- forced becomes what it is already.
WITH merged AS (
    INSERT INTO warehouse.{table} AS w (
        source_system, source_id, {columns} {links} sync_hash, observed_at, job_id
    )
    SELECT
        %(source_system)s, c.source_id, {chunk_columns} {parent_ids}
        c.sync_hash, c.observed_at, %(job_id)s
    FROM {chunk} AS c
    LEFT JOIN LATERAL (
        SELECT * FROM warehouse.{table} AS t
        WHERE t.source_system = %(source_system)s AND t.source_id = c.source_id
        LIMIT 1  -- one look-up per record, whatever the planner knows of the table
        ) AS o ON true
    {parents}
    WHERE NOT c.rejected
        AND (
            (
                o.id IS NULL
                -- The raw layer, merged first, knows whether the record still exists.
                AND EXISTS (
                    SELECT FROM raw.{raw_table} AS r
                    WHERE r.source_system = %(source_system)s
                        AND r.source_id = c.source_id
                        AND NOT r.is_deleted
                )
            )
            -- A read that began after a tombstone revives, but not to an older state.
            -- What an index says revives only what was changed since.
            -- The raw layer knows that, too: what the source calls the time of an
            -- archiving is no time of ours.
            OR (
                o.is_deleted
                AND EXISTS (
                    SELECT FROM raw.{raw_table} AS r
                    WHERE r.source_system = %(source_system)s
                        AND r.source_id = c.source_id
                        AND NOT r.is_deleted
                )
                AND c.observed_at > o.deleted_at
                AND coalesce(c.version >= o.source_updated_at, true)
                AND (NOT c.indexed OR c.version > o.deleted_at)
            )
            OR (
                NOT o.is_deleted
                AND o.sync_hash <> c.sync_hash
                AND CASE
                    -- The raw layer holds the newest state there is.
                    WHEN %(replay)s THEN true
                    WHEN c.version <> o.source_updated_at
                        THEN c.version > o.source_updated_at
                    -- Whether it was confirmed since, the raw layer alone knows.
                    ELSE c.observed_at >= o.observed_at AND EXISTS (
                        SELECT FROM raw.{raw_table} AS r
                        WHERE r.source_system = %(source_system)s
                            AND r.source_id = c.source_id
                            AND r.payload_hash = c.payload_hash
                    )
                END
            )
            -- Forced; but never to another state than the raw layer's.
            OR (
                c.source_id = ANY(%(forced)s)
                AND EXISTS (
                    SELECT FROM raw.{raw_table} AS r
                    WHERE r.source_system = %(source_system)s
                        AND r.source_id = c.source_id
                        AND r.payload_hash = c.payload_hash
                        AND NOT r.is_deleted
                )
            )
        )
    ON CONFLICT (source_system, source_id) DO UPDATE SET
        {assignments}
        sync_hash = excluded.sync_hash,
        observed_at = greatest(w.observed_at, excluded.observed_at),
        job_id = excluded.job_id,
        is_deleted = false,
        deleted_at = NULL,
        updated_at = clock_timestamp(),
        last_synced = clock_timestamp()
    RETURNING w.source_id, w.xmax = 0 AS created
)
SELECT
    count(*) FILTER (WHERE created AND counted) AS created,
    count(*) FILTER (WHERE NOT created AND counted) AS updated,
    {written} AS written
FROM (
    SELECT merged.*, NOT source_id = ANY(%(repeated)s) AS counted FROM merged
) AS outcome
