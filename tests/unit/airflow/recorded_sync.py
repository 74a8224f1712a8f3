"""Stands in for the engine: answers as told, and remembers what it was asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from crm_warehouse.engine.job import Status, SyncResult

Answer = SyncResult | Exception


def a_result(
    status: Status = "success",
    *,
    resume_at: datetime | None = None,
    failed: int = 0,
    errors: tuple[str, ...] = (),
) -> SyncResult:
    """One outcome; its counters add up."""
    return SyncResult(
        job_id=42,
        source="genius",
        entity="users",
        mode="incremental",
        status=status,
        records_received=10,
        records_repeated=0,
        records_processed=10,
        records_created=7 - failed,
        records_updated=2,
        records_unchanged=1,
        records_deleted=0,
        records_failed=failed,
        warnings=0,
        requests=1,
        duration_seconds=0.5,
        last_sync_timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        errors=errors,
        resume_at=resume_at,
    )


class RecordedSync:
    """Callable like ``run_sync`` and ``merge_webhooks`` of the engine.

    Args:
        answers: One for each call; an exception is raised, a callable called.
    """

    def __init__(self, *answers: Answer | Callable[[], Answer]) -> None:
        self.answers = list(answers)
        self.requests: list[Any] = []
        self.arguments: list[dict[str, Any]] = []

    def __call__(self, request: Any, **arguments: Any) -> SyncResult:
        """Give the next answer."""
        self.requests.append(request)
        self.arguments.append(arguments)
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        arguments["progress"](answer)
        return answer
