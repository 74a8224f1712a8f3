"""Run one sync from claim to final transaction."""

from collections.abc import Callable

from crm_warehouse.clients.interface import ClientFactory
from crm_warehouse.engine.job import SyncRequest, SyncResult

#: Called after each committed chunk with the counters so far.
Progress = Callable[[SyncResult], None]


def run_sync(
    request: SyncRequest,
    *,
    conninfo: str,
    open_client: ClientFactory,
    max_wait_seconds: float = 0.0,
    progress: Progress | None = None,
) -> SyncResult:
    """Load one entity, exactly once, resuming what died.

    Args:
        request: What to load.
        conninfo: libpq connection string of the warehouse.
        open_client: Builds the client around the job's gate.
        max_wait_seconds: Longest wait for quota inside this call.
        progress: Called after each chunk.

    Returns:
        The outcome: ``success``, ``partial`` (new rejects), or ``waiting`` with
        ``resume_at`` when quota is not to be had in time.

    Raises:
        CrmWarehouseError: The job failed; it is recorded in ``ops.sync_jobs``.
    """
    raise NotImplementedError
