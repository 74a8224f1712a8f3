"""What every task that lets the engine load something has in common."""

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.errors import SyncDisabledError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult

#: Longest wait for quota that keeps the worker slot. Giving it back and getting it
#: again costs about as much.
MAX_WAIT_SECONDS = 5.0


class LoadOperator(BaseOperator):
    """Run one job of the engine.

    Green with status ``success`` or ``partial``; deferred, without a worker slot,
    while the source's quota is used up; skipped while its configuration is off.
    """

    ui_color = "#dbeafe"

    def execute(self, context: "Context") -> dict[str, Any]:
        """Load, or go on with the load that a deferral interrupted.

        Returns:
            The counters of the job, as ``SyncResult.as_contract`` has them.

        Raises:
            CrmWarehouseError: The job failed; see ``SyncRetryPolicy`` for what then.
        """
        return self._load(context)

    def resume(self, context: "Context", event: Any = None) -> dict[str, Any]:
        """Where Airflow goes on after a deferral; the engine knows the checkpoint."""
        del event
        return self._load(context)

    def run_engine(self, context: "Context") -> "SyncResult":
        """Let the engine load what this task is for.

        Raises:
            CrmWarehouseError: The job failed, or is switched off.
        """
        raise NotImplementedError

    def _load(self, context: "Context") -> dict[str, Any]:
        try:
            result = self.run_engine(context)
        except SyncDisabledError as error:
            raise AirflowSkipException(str(error)) from error
        if result.resume_at is not None:
            self._wait_until(result.resume_at)
        return self._report(context, result)

    def _log_chunk(self, so_far: "SyncResult") -> None:
        self.log.info("job %d so far: %s", so_far.job_id, _counters(so_far))

    def _wait_until(self, moment: "datetime") -> NoReturn:
        # Imported here: this module is imported whenever a DAG file is parsed.
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.log.info("quota used up; the worker slot is free until %s", moment)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")

    def _report(self, context: "Context", result: "SyncResult") -> dict[str, Any]:
        summary = result.as_contract()
        for asset in self.outlets:
            context["outlet_events"][asset].extra = summary
        self.log.info("job %d %s: %s", result.job_id, result.status, _counters(result))
        if result.status == "partial":
            self.log.warning(
                "job %d is partial: %d records are in quarantine; see "
                "ops.sync_errors and docs/operations.md",
                result.job_id,
                result.records_failed,
            )
        return summary


def _counters(result: "SyncResult") -> str:
    return (
        f"{result.records_received} received, {result.records_created} created, "
        f"{result.records_updated} updated, {result.records_unchanged} unchanged, "
        f"{result.records_deleted} deleted, {result.records_failed} failed, "
        f"{result.requests} requests"
    )
