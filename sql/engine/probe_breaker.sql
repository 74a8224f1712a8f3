-- Take the one probe of a source account whose breaker is open and whose pause is over.
-- Returns one row for the process that may send one request, none for all others. A probe
-- that says nothing within its lease may be taken over: its process died.
-- Two callers cannot both get it: the row is locked, and read again when it was.
UPDATE ops.circuit_breakers SET
    state = 'half_open',
    probed_by = %(entity_type)s,
    retry_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE source_system = %(source_system)s
    AND state IN ('open', 'half_open')
    AND retry_at <= clock_timestamp()
RETURNING failures
