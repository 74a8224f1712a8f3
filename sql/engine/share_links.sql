-- Keep links of one table from being written until the transaction ends; others may
-- keep them so as well. Returns nothing. The other half of lock_links.sql.
SELECT pg_advisory_xact_lock_shared(
    hashtextextended('crm_warehouse:links:' || %(table)s, 0)
)
