"""What sensors share that wait in the triggerer, one open run after the other."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from crm_warehouse.moments import REST, utc_text

if TYPE_CHECKING:
    from airflow.sdk import Context


class WatchSensor(BaseSensorOperator):
    """Wait, without a worker slot, until there is work for the next task.

    Args:
        work_task_id: Task of the same DAG that does the work.
    """

    ui_color = "#ede9fe"

    def __init__(self, *, work_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.work_task_id = work_task_id

    def rest(self, context: "Context", complaint: str, *, then: str) -> None:
        """Defer, if the run before did not do its work, until a pause is over.

        Args:
            context: Of this task.
            complaint: What is wrong with the run before, for the log.
            then: Name of the method to go on with.
        """
        failed = self._failed_before(context)
        if failed is None:
            return
        run_id, ended_at = failed
        moment = ended_at + REST
        if moment > datetime.now(UTC) and self.is_stuck(context, run_id, ended_at):
            # Imported here: this module is imported whenever a DAG file is parsed.
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            self.log.warning(
                "the run before %s; going on at %s", complaint, utc_text(moment)
            )
            self.defer(trigger=DateTimeTrigger(moment=moment), method_name=then)

    def until(self) -> datetime:
        """When to give up waiting that begins now."""
        return datetime.now(UTC) + timedelta(seconds=self.timeout)

    def is_stuck(self, context: "Context", run_id: str, ended_at: datetime) -> bool:
        """Whether the next run would fail in the same way; by default it would.

        Args:
            context: Of this task.
            run_id: The run before, which did not do its work.
            ended_at: When it ended.
        """
        del context, run_id, ended_at
        return True

    def _failed_before(self, context: "Context") -> tuple[str, datetime] | None:
        """Id and end of the run before, if it did not do its work."""
        task_instance = context["ti"]
        previous = task_instance.get_previous_dagrun()
        if previous is None or previous.end_date is None:
            return None
        states = task_instance.get_task_states(
            dag_id=task_instance.dag_id, run_ids=[previous.run_id]
        )[previous.run_id]
        worked = states.get(self.work_task_id) == "success"
        quiet = states.get(task_instance.task_id) == "skipped"
        return None if worked or quiet else (previous.run_id, previous.end_date)
