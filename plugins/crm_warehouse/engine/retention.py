"""Delete what is settled and old, in small transactions; what is open stays."""

from psycopg import sql

from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query

#: Rows of one transaction, and transactions of one round: the rest follows tomorrow.
_BATCH = 5_000
_MOST_BATCHES = 200


def is_due(conn: Connection) -> bool:
    """Whether it was not done for a day."""
    row = conn.execute(query("was_retained")).fetchone()
    return not (row and row[0])


def delete_old(conn: Connection) -> dict[str, int]:
    """Delete by the days of ``ops.retention``.

    Returns:
        Deleted rows by its names; jobs, for ``sync_job_ids``.
    """
    return {name: _delete(conn, delete) for name, delete in statements().items()}


def statements() -> dict[str, sql.Composed]:
    """What deletes one batch each, by the names of ``ops.retention``."""
    return {  # events before their deliveries, differences before what found them
        "webhook_events": query("retain_webhook_events"),
        "webhook_deliveries": query("retain_webhook_deliveries"),
        "sync_errors": query("retain_sync_errors"),
        "sync_job_ids": query("retain_sync_job_ids"),
        "api_quota_usage": query("retain_api_quota_usage"),
        "maintenance_runs": query("retain_maintenance_runs"),
        "sync_windows": query("retain_sync_windows"),
        "reconciliation_differences": query("retain_reconciliation_differences"),
        "reconciliations": query("retain_reconciliations"),
    }


def _delete(conn: Connection, statement: sql.Composed) -> int:
    deleted = 0
    for _ in range(_MOST_BATCHES):
        row = conn.execute(statement, {"limit": _BATCH}).fetchone()
        deleted += row[0] if row else 0
        if not row or row[0] < _BATCH:
            break
    return deleted
