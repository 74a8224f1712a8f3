"""The task that loads one entity of one source."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crm_warehouse.operators.load import MAX_WAIT_SECONDS, LoadOperator
from crm_warehouse.operators.schedule import EarlierRun, full_is_due, last_full_time
from crm_warehouse.operators.settings import (
    parse_batch_size,
    parse_mode,
    parse_override,
    parse_since,
)
from crm_warehouse.spec import Entity, Mode, Source, Via

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncRequest, SyncResult


class SyncOperator(LoadOperator):
    """Load one entity by one way in.

    Args:
        source: Definition of the source.
        entity: Entity of that source.
        via: Way in; one with crons of its own where it is not the API.
        mode: ``incremental``, ``full`` or ``replay``. A scheduled incremental run
            becomes a full one when the entity's full schedule says so.
        since: ISO 8601 start of the window instead of the watermark, or empty.
        batch_size: Records asked for per request, or empty.
        override: Guards to ignore, with commas between, or empty.
    """

    template_fields = ("mode", "since", "batch_size", "override")

    def __init__(
        self,
        *,
        source: Source,
        entity: Entity,
        via: Via = "api",
        mode: str = "{{ params.mode }}",
        since: str = "{{ params.since or '' }}",
        batch_size: str = "{{ params.batch_size or '' }}",
        override: str = "{{ (params.override or []) | join(',') }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.entity = entity
        self.via = via
        self.mode = mode
        self.since = since
        self.batch_size = batch_size
        self.override = override

    def run_engine(self, context: "Context") -> "SyncResult":
        """Load the entity.

        Raises:
            CrmWarehouseError: The job failed, or is switched off.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.engine.sync import run_sync
        from crm_warehouse.hooks.warehouse import WarehouseHook
        from crm_warehouse.hooks.ways import client_factory

        source, entity = self.reached(self.source, self.entity.name)
        request = self._request(context, source, entity)
        return run_sync(
            request,
            conninfo=WarehouseHook().conninfo(),
            open_client=client_factory(source, self.via),
            max_wait_seconds=MAX_WAIT_SECONDS,
            max_pause_seconds=MAX_WAIT_SECONDS,
            progress=self._log_chunk,
        )

    def _request(
        self, context: "Context", source: Source, entity: Entity
    ) -> "SyncRequest":
        from crm_warehouse.engine.job import SyncRequest

        mode = self._mode(context)
        task_instance = context["ti"]
        return SyncRequest(
            source=source,
            entity=entity,
            source_system=source.name,
            mode=mode,
            via=self.via,
            since=parse_since(self.since, mode),
            batch_size=parse_batch_size(self.batch_size, source.paging.max_size),
            override=parse_override(self.override),
            triggered_by="airflow",
            asked_by=context["dag_run"].triggering_user_name,
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            try_number=task_instance.try_number,
            # Airflow raises max_tries when a run is cleared.
            first_try=task_instance.max_tries - (self.retries or 0) + 1,
        )

    def _mode(self, context: "Context") -> Mode:
        mode = parse_mode(self.mode)
        dag_run = context["dag_run"]
        cron = self.entity.crons(self.via)[1]
        if dag_run.run_type != "scheduled" or cron is None or mode != "incremental":
            return mode
        assert dag_run.logical_date is not None  # noqa: S101 - scheduled runs have one
        if full_is_due(cron, dag_run.logical_date, _earlier_runs(context["ti"])):
            self.log.info("the full schedule (%s) is due: mode full", cron)
            return "full"
        due = last_full_time(cron, dag_run.logical_date)
        if self._owes_full_load(context, due):
            self.log.info("the full load of %s never began: mode full", due)
            return "full"
        return mode

    def _owes_full_load(self, context: "Context", due: "datetime") -> bool:
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.engine.full_loads import is_owed
        from crm_warehouse.hooks.warehouse import WarehouseHook

        return is_owed(
            WarehouseHook().conninfo(),
            source_system=self.source.name,
            entity_type=self.entity.name,
            via=self.via,
            due=due,
            dag_id=context["ti"].dag_id,
            run_id=context["ti"].run_id,
        )


def _earlier_runs(task_instance: Any) -> Iterator[EarlierRun]:
    # Ends at the first call for most runs: the previous run was a scheduled one.
    previous = task_instance.get_previous_ti()
    while previous is not None:
        moment = previous.logical_date
        yield EarlierRun(moment, scheduled=previous.run_id.startswith("scheduled__"))
        previous = task_instance.get_previous_ti(logical_date=moment)
