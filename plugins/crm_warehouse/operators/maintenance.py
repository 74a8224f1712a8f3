"""The tasks that wait until something is stuck, heal it, and take up stale jobs."""

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from crm_warehouse.errors import ConfigurationError, FencedError, SyncConflictError
from crm_warehouse.operators.load import MAX_WAIT_SECONDS, LoadOperator
from crm_warehouse.operators.watching import WatchSensor
from crm_warehouse.spec import Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult
    from crm_warehouse.engine.recovery import Due


class MaintenanceSensor(WatchSensor):
    """Wait, without a worker slot, until something is stale or the hour is over.

    Green with the word for what is due; skipped when nothing was within ``timeout``,
    so that no run stays open for ever.

    Args:
        sources: Definitions to look after.
        work_task_id: Task of the same DAG that heals.
    """

    def __init__(self, *, sources: tuple[Source, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = sources

    def execute(self, context: "Context") -> None:
        """Rest after a run that did not heal; then wait."""
        self.rest(context, "did not heal", then="watch")
        self.watch(context)

    def watch(self, context: "Context", event: Any = None) -> NoReturn:
        """Let the triggerer look."""
        del context, event
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.triggers.maintenance import MaintenanceTrigger

        trigger = MaintenanceTrigger(
            sources=[source.name for source in self.sources],
            webhook_sources=[each.name for each in self.sources if each.webhooks],
            until=self.until(),
        )
        self.defer(trigger=trigger, method_name="wake")

    def wake(self, context: "Context", event: Any = None) -> str:
        """Where Airflow goes on when the trigger has fired.

        Returns:
            ``urgent`` or ``whole``: how much is to be done.
        """
        del context
        from crm_warehouse.triggers.maintenance import URGENT, WHOLE

        if event not in (URGENT, WHOLE):
            raise AirflowSkipException("nothing is due; the next run waits on")
        return str(event)


class MaintainOperator(BaseOperator):
    """Do one round of maintenance; loads that are due are left to runs of their own.

    Args:
        sources: Definitions to look after.
        extent: ``whole``, or ``urgent`` for what cannot wait for the hour.
    """

    template_fields = ("extent",)
    ui_color = "#dcfce7"

    def __init__(
        self, *, sources: tuple[Source, ...], extent: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sources = sources
        self.extent = extent

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        """Heal.

        Returns:
            Arguments of :class:`StartRunOperator` for each load that is due.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.engine.maintenance import MaintenanceRequest, maintain
        from crm_warehouse.hooks.warehouse import WarehouseHook

        task_instance = context["ti"]
        request = MaintenanceRequest(
            sources=self.sources,
            whole=self.extent == "whole",
            triggered_by="airflow",
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
        )
        report = maintain(request, conninfo=WarehouseHook().conninfo())
        for act in report.acts:
            if act.error is not None:
                self.log.error("%s %s: %s", act.act, act.source_system, act.error)
            elif act.found:
                self.log.info(
                    "%s %s: %d found, %d done",
                    *(act.act, act.source_system, act.found, act.done),
                )
        return [_start(each) for each in report.due]


class StartRunOperator(BaseOperator):
    """Start one run of another DAG, once, and do not wait for it.

    Args:
        dag_id_to_start: That DAG.
        run_id_to_start: Id of the run; skipped when there is one already.
        conf: Its parameters.
    """

    def __init__(
        self,
        *,
        dag_id_to_start: str,
        run_id_to_start: str,
        conf: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dag_id_to_start = dag_id_to_start
        self.run_id_to_start = run_id_to_start
        self.conf = conf

    def execute(self, context: "Context") -> NoReturn:
        """Ask Airflow for the run.

        Raises:
            DagRunTriggerException: Always; this is how a task asks.
        """
        del context
        raise DagRunTriggerException(
            trigger_dag_id=self.dag_id_to_start,
            dag_run_id=self.run_id_to_start,
            conf=self.conf,
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=60,
            deferrable=False,
        )


class RecoverOperator(LoadOperator):
    """Take up one stale job of a source, or merge webhooks that nobody merges.

    Skipped when somebody else does so by now: then all is well.

    Args:
        source: Definition of the source.
        job_id: The job, or empty for webhooks.
        entity: Entity, or ``webhooks``.
    """

    template_fields = ("job_id", "entity")

    def __init__(
        self,
        *,
        source: Source,
        job_id: str = "{{ params.job_id or '' }}",
        entity: str = "{{ params.entity }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.job_id = job_id
        self.entity = entity

    def run_engine(self, context: "Context") -> "SyncResult":
        """Bring the job to its end, or to its next wait.

        Raises:
            ConfigurationError: No job is named.
            CrmWarehouseError: The job failed; maintenance tries it again, later.
        """
        del context
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.connections.webhooks import webhook_owner
        from crm_warehouse.engine.recovery import Access, Due
        from crm_warehouse.hooks.conversion import plain_connection
        from crm_warehouse.hooks.warehouse import WarehouseHook
        from crm_warehouse.hooks.ways import client_factory, reached

        owner = webhook_owner(plain_connection(BaseHook, self.source.connection))
        source = reached(self.source)
        if self.entity == "webhooks":
            due = Due(self.source, self.entity, "webhook", key="")
        else:  # the job has its own mode
            due = Due(self.source, self.entity, "", key="", job_id=self._job_id())
        try:
            return due.load(
                Access(source, partial(client_factory, source), owner),
                conninfo=WarehouseHook().conninfo(),
                triggered_by="airflow",
                max_wait_seconds=MAX_WAIT_SECONDS,
                progress=self._log_chunk,
            )
        except (FencedError, SyncConflictError) as error:
            message = f"somebody else takes care of it: {error}"
            self.log.warning(message)
            raise AirflowSkipException(message) from error

    def _job_id(self) -> int:
        if not self.job_id:
            raise ConfigurationError(
                "run parameter job_id: missing; name a job of ops.sync_jobs that is to"
                f" go on. To begin a load, trigger {self.source.name}__{self.entity}"
            )
        return int(self.job_id)


def _start(due: "Due") -> dict[str, Any]:
    """Arguments of :class:`StartRunOperator`."""
    name = due.source.name
    dag_id = f"{name}__recover"
    conf: dict[str, Any] = {"job_id": due.job_id, "entity": due.entity}
    if due.mode == "reprocess":
        dag_id = "warehouse__reprocess"
        conf = {"source": name, "entity": due.entity}
    elif due.job_id is None and due.mode == "full":
        dag_id, conf = f"{name}__{due.entity}", {"mode": "full"}
    return {
        "dag_id_to_start": dag_id,
        "run_id_to_start": f"maintenance__{due.key}",
        "conf": conf,
    }
