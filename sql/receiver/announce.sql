-- Wake whoever listens on crm_webhooks. Returns one row of no interest. Changes nothing:
-- safe to repeat.
SELECT pg_notify('crm_webhooks', '')
