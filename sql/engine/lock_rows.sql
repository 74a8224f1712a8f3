-- Hold the rows of one entity until the transaction ends: polls and webhooks that write
-- the same records take turns, chunk by chunk, and each sees what the other committed.
-- Returns nothing. Taken before any other lock of the transaction.
SELECT pg_advisory_xact_lock(
    hashtextextended(
        'crm_warehouse:rows:' || %(source_system)s || ':' || %(entity_type)s, 0
    )
)
