-- Note at a merge's end which entities' webhooks rest, and forget those that do no more.
-- %(refused)s: entities that could not be merged, with their %(categories)s, and whether the
-- reason may pass by itself (%(passing)s): then they rest for as many seconds as %(pauses)s has
-- at the number of tries in vain; else, and when there were more, for the last of them.
-- %(left)s: entities that this merge left out; their rest stays as it is.
-- Returns entity_type, until, tries of the refused ones. Only who holds the lock of the
-- source's webhooks writes here. Safe to repeat: that would count one try more.
WITH over AS (
    DELETE FROM ops.webhook_rests
    WHERE source_system = %(source_system)s
        AND entity_type <> ALL(%(refused)s::text[] || %(left)s::text[])
)
INSERT INTO ops.webhook_rests AS w (
    source_system, entity_type, since, until, tries, category
)
SELECT
    %(source_system)s, r.entity_type, m.moment,
    m.moment + make_interval(
        secs => p.pauses[
            CASE
                WHEN r.passing THEN least(t.tries, cardinality(p.pauses))
                ELSE cardinality(p.pauses)
            END
        ]
    ),
    t.tries, r.category
FROM unnest(
    %(refused)s::text[], %(categories)s::text[], %(passing)s::boolean[]
) AS r (entity_type, category, passing)
CROSS JOIN (SELECT clock_timestamp() AS moment) AS m
CROSS JOIN (SELECT %(pauses)s::double precision[] AS pauses) AS p
LEFT JOIN ops.webhook_rests AS b
    ON b.source_system = %(source_system)s AND b.entity_type = r.entity_type
CROSS JOIN LATERAL (SELECT coalesce(b.tries, 0) + 1 AS tries) AS t
ON CONFLICT (source_system, entity_type) DO UPDATE SET
    since = excluded.since,
    until = excluded.until,
    tries = excluded.tries,
    category = excluded.category
RETURNING w.entity_type, w.until, w.tries
