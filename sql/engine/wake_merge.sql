-- Tell whoever waits for webhooks that some are there, when the transaction commits.
-- Returns one row of no interest. Safe to repeat: who is woken looks what there is.
SELECT pg_notify('crm_webhooks', '')
