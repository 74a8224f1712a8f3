-- Lower limits that a source told. Returns name and limit (or NULL) of each quota.
-- Changes nothing.
SELECT name, told_limit FROM ops.api_quota WHERE source_system = %(source_system)s
