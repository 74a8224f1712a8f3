-- Take one request of every quota that counts its kind, or hear how long to wait, and why.
-- Returns one row, as ops.take_request describes it. Not repeatable: each call that is
-- not told to wait counts one request.
SELECT * FROM ops.take_request(%(source_system)s, %(asker)s, %(kind)s)
