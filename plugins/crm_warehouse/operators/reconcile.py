"""The task that compares one entity of a source with the warehouse."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.operators.load import MAX_WAIT_SECONDS, LoadOperator
from crm_warehouse.operators.reprocess import ALL
from crm_warehouse.operators.settings import parse_override
from crm_warehouse.spec import Entity, Extent, Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult
    from crm_warehouse.engine.reconcile import ReconcileRequest, ReconcileResult


class ReconcileOperator(LoadOperator):
    """Compare one entity, list what differs, repair it if that is asked for.

    Green also when something differs: the task's log warns, and
    ``ops.reconciliations`` has the verdict. Asset events tell of tables that were
    repaired, and of no others.

    Args:
        source: Definition of the source.
        entity: Entity of that source.
        extent: ``records``; or ``sweep``, what no list shows as changed.
        wanted: Only the entity of this name, or ``all``; others skip.
        repair: ``true`` merges what differs.
        override: Guards to ignore, with commas between, or empty.
    """

    template_fields = ("wanted", "repair", "override")

    def __init__(
        self,
        *,
        source: Source,
        entity: Entity,
        extent: Extent = "records",
        wanted: str = "{{ params.entity }}",
        repair: str = "{{ params.repair | tojson }}",
        override: str = "{{ (params.override or []) | join(',') }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.entity = entity
        self.extent = extent
        self.wanted = wanted
        self.repair = repair
        self.override = override

    def run_engine(self, context: "Context") -> "SyncResult":
        """Compare the entity.

        Raises:
            CrmWarehouseError: The job failed, or is switched off.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.engine.reconcile import reconcile
        from crm_warehouse.hooks.warehouse import WarehouseHook
        from crm_warehouse.hooks.ways import client_factory

        if self.wanted not in (ALL, self.entity.name):
            raise AirflowSkipException(f"this run is for {self.wanted} only")
        source, entity = self.reached(self.source, self.entity.name)
        result = reconcile(
            self._request(context, source, entity),
            conninfo=WarehouseHook().conninfo(),
            open_client=client_factory(source, "api"),
            max_wait_seconds=MAX_WAIT_SECONDS,
            max_pause_seconds=MAX_WAIT_SECONDS,
            progress=self._log_chunk,
        )
        self._tell(result)
        if not result.wrote:
            self.outlets = []  # whoever waits for the tables has nothing to do
        return result

    def _request(
        self, context: "Context", source: Source, entity: Entity
    ) -> "ReconcileRequest":
        from crm_warehouse.engine.reconcile import ReconcileRequest

        task_instance, repairs = context["ti"], self.repair == "true"
        return ReconcileRequest(
            source=source,
            entity=entity,
            source_system=source.name,
            repair=repairs,
            extent=self.extent,
            # Without repair nothing is written, so no guard would stop anything.
            override=parse_override(self.override) if repairs else frozenset(),
            triggered_by="airflow",
            asked_by=context["dag_run"].triggering_user_name,
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            try_number=task_instance.try_number,
            # Airflow raises max_tries when a run is cleared.
            first_try=task_instance.max_tries - (self.retries or 0) + 1,
        )

    def _tell(self, result: "ReconcileResult") -> None:
        if result.verdict is None:
            return
        self.log.info(result.in_words())
        if result.verdict == "different":
            self.log.warning(
                "differences by reason: %s; see ops.reconciliation_differences and "
                "docs/reconcile.md",
                result.by_reason,
            )
