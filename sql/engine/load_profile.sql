-- The profile that an entity's latest job ran with. Returns one row, or none when it never
-- ran; the profile is empty for the source's own API. Reads only.
SELECT coalesce(spec -> 'source' ->> 'profile', '') AS profile
FROM ops.source_specs
WHERE source_system = %(source_system)s AND entity_type = %(entity_type)s
