"""What every task that lets the engine load something has in common."""

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.errors import Action, CrmWarehouseError, GuardError
from crm_warehouse.moments import utc_text
from crm_warehouse.spec import Entity, Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult

#: Longest wait, for whatever reason, that keeps the worker slot. Giving it back and
#: getting it again costs about as much.
MAX_WAIT_SECONDS = 5.0


class LoadOperator(BaseOperator):
    """Run one job of the engine.

    Green with status ``success`` or ``partial``; deferred, without a worker slot,
    while its source may not be asked; skipped while its configuration is off, or its
    app was not given the scope.
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

    def reached(self, source: Source, name: str) -> tuple[Source, Entity]:
        """Source and entity with the profile of the source's connection.

        Raises:
            AirflowSkipException: This profile has no such entity.
            ConfigurationError: The connection is missing, or names no known profile.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.hooks.ways import reached

        found = reached(source)
        if name not in found.entities:
            there = f"with profile {found.profile!r}" if found.profile else "by itself"
            message = f"{source.name} has no {name} {there}: nothing to load"
            self.log.info(message)
            raise AirflowSkipException(message)
        return found, found.entities[name]

    def _load(self, context: "Context") -> dict[str, Any]:
        try:
            result = self.run_engine(context)
        except CrmWarehouseError as error:
            if error.action is Action.SKIP:
                self.log.warning("skipped: %s", error)
                raise AirflowSkipException(str(error)) from error
            self._explain(error)
            raise
        if result.resume_at is not None:
            self._wait(context, result)
        return self._report(context, result)

    def _explain(self, error: CrmWarehouseError) -> None:
        """Say what is wrong in lines of their own, what to do first.

        Of what is raised Airflow shows a stack trace, and cuts its head.
        """
        if isinstance(error, GuardError):
            self.log.error("stopped by guard %s. %s.", error.guard, error.remedy)
            self.log.error(error.finding)
            return
        for line in str(error).splitlines():
            self.log.error(line)

    def _log_chunk(self, so_far: "SyncResult") -> None:
        self.log.info("job %d so far: %s", so_far.job_id, _counters(so_far))

    def _wait(self, context: "Context", result: "SyncResult") -> NoReturn:
        """Give the worker slot back until the job may go on; say until when, and why.

        Airflow shows of a trigger its class only: the reason is in the task's log, in
        the trigger's, and in the XCom ``waiting``.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.triggers.wait import WaitTrigger

        moment, reason = result.resume_at, "; ".join(result.errors)
        assert moment is not None  # noqa: S101  every job that waits has one
        waiting = {
            "until": moment.isoformat(),
            "reason": reason,
            "job_id": result.job_id,
        }
        context["ti"].xcom_push(key="waiting", value=waiting)
        self.log.info(
            "job %d waits until %s, without a worker slot: %s",
            result.job_id,
            utc_text(moment),
            reason,
        )
        self.defer(trigger=WaitTrigger(moment, reason), method_name="resume")

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
