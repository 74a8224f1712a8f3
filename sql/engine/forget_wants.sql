-- Say that an entity wants no more requests, so that others have its share. Returns
-- nothing. Safe to repeat.
DELETE FROM ops.api_quota_wants
WHERE source_system = %(source_system)s AND entity_type = %(asker)s
