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
#: For the warehouse itself, which is back in seconds when it restarts: tries that kills
#: have used up must not make anybody wait a minute for it.
WAREHOUSE_DELAYS = (*DELAYS[:1] * 4, *DELAYS[1:])
#: Tries that a task has besides, so that kills, which no policy is asked about, leave
#: those to the errors.
FOR_KILLS = 6
RETRIES = len(DELAYS) + FOR_KILLS


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
            max_tries: Repetitions that Airflow allows; raised when a run is cleared.
            context: Not used.
        """
        del context
        category = _category(exception)
        if _action(exception) is errors.Action.STOP:
            return RetryDecision.fail(reason=f"{category}: needs a person")
        tries = try_number - max(0, max_tries - RETRIES)
        delays = _delays(exception)
        if tries > len(delays):
            return RetryDecision.fail(reason=f"{category}: gave up after {tries} tries")
        delay = delays[tries - 1]
        return RetryDecision.retry(
            delay=delay, reason=f"{category}: next try in {delay}"
        )

    def serialize(self) -> dict[str, Any]:
        """JSON form; the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "SyncRetryPolicy":
        """Inverse of :meth:`serialize`."""
        del data
        return cls()


def _delays(exception: BaseException) -> tuple[timedelta, ...]:
    # Imported here: this module is imported whenever a DAG file is parsed.
    from psycopg import OperationalError

    return WAREHOUSE_DELAYS if isinstance(exception, OperationalError) else DELAYS


def _action(exception: BaseException) -> errors.Action:
    if isinstance(exception, errors.CrmWarehouseError):
        return exception.action
    return errors.Action.RETRY


def _category(exception: BaseException) -> str:
    if isinstance(exception, errors.CrmWarehouseError):
        return exception.category
    return type(exception).__name__
