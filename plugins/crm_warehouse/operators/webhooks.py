"""The tasks that wait for webhooks of a source, and merge them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.operators.load import MAX_WAIT_SECONDS, LoadOperator
from crm_warehouse.operators.watching import WatchSensor
from crm_warehouse.spec import Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.engine.job import SyncResult


class WebhookSensor(WatchSensor):
    """Wait, without a worker slot, until webhooks of a source can be merged.

    Green when there are some; skipped when none came within ``timeout``, so that no
    run stays open for ever.

    Args:
        source: Definition of the source.
        work_task_id: Task of the same DAG that merges.
    """

    def __init__(self, *, source: Source, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def execute(self, context: "Context") -> None:
        """Rest after a run that did not merge what it should have; then look."""
        self.rest(context, "left its webhooks unmerged", then="look")
        self.look(context)

    def is_stuck(self, context: "Context", run_id: str, ended_at: datetime) -> bool:
        """Whether the run left anything that does not rest by itself.

        Only entities that were refused rest then; what else comes is merged at once.
        """
        import psycopg

        from crm_warehouse.engine.webhook_rests import is_stuck
        from crm_warehouse.hooks.warehouse import WarehouseHook

        try:
            return is_stuck(
                WarehouseHook().conninfo(),
                self.source.name,
                dag_id=context["ti"].dag_id,
                run_id=run_id,
                ended_at=ended_at,
            )
        except psycopg.OperationalError:
            return True

    def look(self, context: "Context", event: Any = None) -> None:
        """End when webhooks are there already, else wait for them."""
        del event
        if self.poke(context):
            return
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.triggers.webhooks import WebhookTrigger

        trigger = WebhookTrigger(source_system=self.source.name, until=self.until())
        self.defer(trigger=trigger, method_name="wake")

    def poke(self, context: "Context") -> bool:
        """Whether webhooks wait; a warehouse that does not answer has none."""
        del context
        import psycopg

        from crm_warehouse.engine.queries import query
        from crm_warehouse.hooks.warehouse import WarehouseHook

        values = {"source_system": self.source.name}
        try:
            with psycopg.connect(WarehouseHook().conninfo()) as conn:
                row = conn.execute(query("find_pending_webhooks"), values).fetchone()
        except psycopg.OperationalError:
            return False  # the trigger bears that, and says so
        return bool(row and row[0])

    def wake(self, context: "Context", event: Any = None) -> None:
        """Where Airflow goes on when the trigger has fired."""
        del context
        from crm_warehouse.triggers.webhooks import PENDING

        if event != PENDING:
            raise AirflowSkipException("no webhooks came; the next run waits on")


class MergeWebhooksOperator(LoadOperator):
    """Merge all webhooks of a source that wait.

    Args:
        source: Definition of the source.
    """

    def __init__(self, *, source: Source, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def run_engine(self, context: "Context") -> "SyncResult":
        """Merge what waits.

        Raises:
            CrmWarehouseError: The job failed, or is switched off.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.connections.webhooks import webhook_owner
        from crm_warehouse.engine.job import WebhookRequest
        from crm_warehouse.engine.webhooks import merge_webhooks
        from crm_warehouse.hooks.conversion import plain_connection
        from crm_warehouse.hooks.warehouse import WarehouseHook
        from crm_warehouse.hooks.ways import client_factory, reached

        source = reached(self.source)
        connection = plain_connection(BaseHook, source.connection)
        task_instance = context["ti"]
        request = WebhookRequest(
            source=source,
            source_system=self.source.name,
            triggered_by="airflow",
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            spares_resting=True,
            **webhook_owner(connection),
        )
        return merge_webhooks(
            request,
            conninfo=WarehouseHook().conninfo(),
            open_client=client_factory(source, "api"),
            max_wait_seconds=MAX_WAIT_SECONDS,
            max_pause_seconds=MAX_WAIT_SECONDS,
            progress=self._log_chunk,
        )
