-- Let nobody ask an account for requests of a kind (empty: any) for some seconds. Returns
-- nothing. Safe to repeat: a longer hold stays.
INSERT INTO ops.api_quota_holds AS h (source_system, kind, held_until, reason)
VALUES (
    %(source_system)s, %(kind)s,
    clock_timestamp() + make_interval(secs => %(seconds)s), %(reason)s
)
ON CONFLICT (source_system, kind) DO UPDATE SET
    held_until = excluded.held_until,
    reason = excluded.reason
WHERE h.held_until < excluded.held_until
