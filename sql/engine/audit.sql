-- Append one act to the audit trail. Returns nothing. Part of the act's transaction.
INSERT INTO ops.audit_log (actor, action, object_type, object_id, details)
VALUES (
    coalesce(%(actor)s, current_user), %(action)s, %(object_type)s, %(object_id)s,
    %(details)s
)
