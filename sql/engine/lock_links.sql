-- Hold all links to parents in warehouse rows of one table until the transaction ends.
-- Returns nothing. The parents' jobs write these columns of rows that the children's
-- job writes too, in another order: taking turns, they cannot deadlock.
SELECT pg_advisory_xact_lock(hashtextextended('crm_warehouse:links:' || %(table)s, 0))
