-- Wait until all that was committed so far is as safe as a commit has to be: a delivery
-- that was there may be of a commit whose wait for a standby was given up. Returns one row
-- of no interest. Writes a message to the log of the database that nobody reads, since a
-- transaction that writes nothing waits for nothing. Safe to repeat.
SELECT pg_logical_emit_message(true, 'webhook_receiver', '')
