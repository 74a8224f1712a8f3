-- Close the errors of records that turned out to have an id, and count the retry for
-- those that stay open. Part of the transaction that mapped the records again.
-- %(fingerprints)s: of all of them; %(source_ids)s: beside each the id that it has now
-- and had not before, or NULL.
-- Returns nothing. Not to be repeated: it counts; its chunk is fenced.
UPDATE ops.sync_errors AS tried SET
    retry_count = tried.retry_count + 1,
    resolved = found.source_id IS NOT NULL,
    resolved_at = CASE WHEN found.source_id IS NOT NULL THEN clock_timestamp() END,
    source_id = coalesce(found.source_id, tried.source_id)
FROM (
    SELECT s.id, batch.source_id
    FROM unnest(%(fingerprints)s::text[], %(source_ids)s::text[])
        AS batch (fingerprint, source_id)
    CROSS JOIN LATERAL (
        SELECT o.id
        FROM ops.sync_errors AS o
        WHERE NOT o.resolved
            AND o.source_system = %(source_system)s
            AND o.entity_type = %(entity_type)s
            AND o.fingerprint = batch.fingerprint
            AND o.sync_job_id <> %(job_id)s  -- opened just now
        OFFSET 0  -- one look-up per record, however many errors are open
    ) AS s
) AS found
WHERE tried.id = found.id
