"""The task that loads one entity of one source."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.errors import SyncDisabledError
from crm_warehouse.operators.schedule import EarlierRun, full_is_due
from crm_warehouse.operators.settings import parse_batch_size, parse_mode, parse_since
from crm_warehouse.spec import Entity, Mode, Source

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncRequest, SyncResult

#: Longest wait for quota that keeps the worker slot. Giving it back and getting it
#: again costs about as much.
MAX_WAIT_SECONDS = 5.0


class SyncOperator(BaseOperator):
    """Load one entity through the source's API.

    Green with status ``success`` or ``partial``; deferred, without a worker slot,
    while the source's quota is used up; skipped while its configuration is off.

    Args:
        source: Definition of the source.
        entity: Entity of that source.
        mode: ``incremental``, ``full`` or ``replay``. A scheduled incremental run
            becomes a full one when the entity's full schedule says so.
        since: ISO 8601 start of the window instead of the watermark, or empty.
        batch_size: Records asked for per request, or empty.
    """

    template_fields = ("mode", "since", "batch_size")
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        source: Source,
        entity: Entity,
        mode: str = "{{ params.mode }}",
        since: str = "{{ params.since or '' }}",
        batch_size: str = "{{ params.batch_size or '' }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.entity = entity
        self.mode = mode
        self.since = since
        self.batch_size = batch_size

    def execute(self, context: "Context") -> dict[str, Any]:
        """Load the entity, or go on with the load that a deferral interrupted.

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

    def _load(self, context: "Context") -> dict[str, Any]:
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.engine.sync import run_sync
        from crm_warehouse.hooks.registry import hook_of
        from crm_warehouse.hooks.warehouse import WarehouseHook

        request = self._request(context)
        try:
            result = run_sync(
                request,
                conninfo=WarehouseHook().conninfo(),
                open_client=hook_of(self.source).client_factory(self.source),
                max_wait_seconds=MAX_WAIT_SECONDS,
                progress=self._log_chunk,
            )
        except SyncDisabledError as error:
            raise AirflowSkipException(str(error)) from error
        if result.resume_at is not None:
            self._wait_until(result.resume_at)
        return self._report(context, result)

    def _request(self, context: "Context") -> "SyncRequest":
        from crm_warehouse.engine.job import SyncRequest

        mode = self._mode(context)
        task_instance = context["ti"]
        return SyncRequest(
            source=self.source,
            entity=self.entity,
            source_system=self.source.name,
            mode=mode,
            since=parse_since(self.since, mode),
            batch_size=parse_batch_size(self.batch_size, self.source.paging.max_size),
            triggered_by="airflow",
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
        )

    def _mode(self, context: "Context") -> Mode:
        mode = parse_mode(self.mode)
        dag_run = context["dag_run"]
        cron = self.entity.full_schedule
        if dag_run.run_type != "scheduled" or cron is None or mode != "incremental":
            return mode
        assert dag_run.logical_date is not None  # noqa: S101 - scheduled runs have one
        if not full_is_due(cron, dag_run.logical_date, _earlier_runs(context["ti"])):
            return mode
        self.log.info("the full schedule (%s) is due: mode full", cron)
        return "full"

    def _log_chunk(self, so_far: "SyncResult") -> None:
        self.log.info("job %d so far: %s", so_far.job_id, _counters(so_far))

    def _wait_until(self, moment: "datetime") -> NoReturn:
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


def _earlier_runs(task_instance: Any) -> Iterator[EarlierRun]:
    # Ends at the first call for most runs: the previous run was a scheduled one.
    previous = task_instance.get_previous_ti()
    while previous is not None:
        moment = previous.logical_date
        yield EarlierRun(moment, scheduled=previous.run_id.startswith("scheduled__"))
        previous = task_instance.get_previous_ti(logical_date=moment)


def _counters(result: "SyncResult") -> str:
    return (
        f"{result.records_received} received, {result.records_created} created, "
        f"{result.records_updated} updated, {result.records_unchanged} unchanged, "
        f"{result.records_deleted} deleted, {result.records_failed} failed, "
        f"{result.requests} requests"
    )
