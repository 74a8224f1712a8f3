-- Let the next merge write these rows of warehouse.{table} whatever they say of themselves:
-- the raw layer is right, and they are not. Returns nothing. Part of the transaction that
-- merges them, so nobody ever sees it.
UPDATE warehouse.{table} SET
    sync_hash = '',
    source_updated_at = NULL,
    observed_at = '-infinity'
WHERE source_system = %(source_system)s AND source_id = ANY(%(ids)s)
