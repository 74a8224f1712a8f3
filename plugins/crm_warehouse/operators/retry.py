"""Which failures of a sync are worth another try, and when."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from crm_warehouse import errors

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Pause before try 2, 3, 4 and 5. The first is short, for a process that died; their
#: sum outlives a restart of either side, and ends about when the next quarter-hourly
#: run would have come anyway.
DELAYS = (
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=4),
    timedelta(minutes=16),
)


class SyncRetryPolicy(RetryPolicy):
    """Stop at once where a person is needed; else wait longer before each try.

    All else is retried: faults of source and database pass by themselves, and for a
    defect of ours another try costs little, because the job resumes at its checkpoint.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: "Context | None" = None,
    ) -> RetryDecision:
        """Decide about one failure; runs in the task's process.

        Args:
            exception: What the task raised.
            try_number: The try that failed, from 1.
            max_tries: Tries that Airflow allows; it enforces them itself.
            context: Not used.
        """
        del max_tries, context
        if _action(exception) is errors.Action.STOP:
            return RetryDecision.fail(reason=f"{_category(exception)}: needs a person")
        delay = DELAYS[min(try_number, len(DELAYS)) - 1]
        return RetryDecision.retry(
            delay=delay, reason=f"{_category(exception)}: next try in {delay}"
        )

    def serialize(self) -> dict[str, Any]:
        """JSON form; the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "SyncRetryPolicy":
        """Inverse of :meth:`serialize`."""
        del data
        return cls()


def _action(exception: BaseException) -> errors.Action:
    if isinstance(exception, errors.CrmWarehouseError):
        return exception.action
    return errors.Action.RETRY


def _category(exception: BaseException) -> str:
    if isinstance(exception, errors.CrmWarehouseError):
        return exception.category
    return type(exception).__name__
