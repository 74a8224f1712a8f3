-- Hide dedupe keys of events that are known. %(hidden)s: JSON object from each key to
-- what stands in its place. Returns nothing.
-- Safe to repeat: a key that is hidden is found no more. Where a row has the hidden key,
-- which a process of an earlier release may leave, the id is added.
UPDATE staging.webhook_events AS e SET
    dedupe_key = t.hidden || CASE
        WHEN EXISTS (
            SELECT FROM staging.webhook_events AS taken
            WHERE taken.source_system = e.source_system AND taken.dedupe_key = t.hidden
        )
            THEN '/' || e.id
        ELSE ''
    END
FROM jsonb_each_text(%(hidden)s) AS t (plain, hidden)
WHERE e.source_system = %(source_system)s AND e.dedupe_key = t.plain
