-- Entities of a source whose webhooks rest just now. Returns entity_type. Reads only.
SELECT entity_type FROM ops.webhook_rests
WHERE source_system = %(source_system)s AND until > clock_timestamp()
