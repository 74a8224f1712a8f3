"""Airflow's REST API, as far as the demonstration speaks it."""

from collections.abc import Collection, Sequence
from typing import Any

from include.local_stack.demo_patience import wait_until
from include.local_stack.pools import AirflowApi

_LOG_LINES = 15


class DemoApi(AirflowApi):
    """Starts runs and looks after them."""

    def wait_for_dags(self, dag_ids: Collection[str], seconds: float) -> None:
        """Wait until Airflow has read the DAG files.

        Raises:
            StackError: Some are missing; with Airflow's reasons.
        """
        missing = set(dag_ids)

        def ask() -> bool:
            nonlocal missing
            listed = self._call("GET", "dags?limit=500&exclude_stale=true")["dags"]
            missing = set(dag_ids) - {dag["dag_id"] for dag in listed}
            return not missing

        def late() -> str:
            names = ", ".join(sorted(missing))
            errors = self._import_errors()
            return f"Airflow does not show {names} after {seconds:.0f} s. {errors}"

        wait_until(ask, seconds, late)

    def start(
        self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None
    ) -> None:
        """Switch a DAG on and start one run, with parameters if any."""
        self.switch_on(dag_id)
        run = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        self._call("POST", f"dags/{dag_id}/dagRuns", run)

    def switch_on(self, dag_id: str) -> None:
        """Let a DAG's schedule start runs."""
        self._call("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def is_deferred(self, dag_id: str, task_id: str) -> bool:
        """Whether the task waits in the triggerer, in any run."""
        found = self._call(
            "GET",
            f"dags/{dag_id}/dagRuns/~/taskInstances?task_id={task_id}&state=deferred",
        )
        return bool(found["task_instances"])

    def states(self, dag_ids: Sequence[str], run_id: str, since: str) -> dict[str, str]:
        """State of the run of this id, by DAG.

        Args:
            dag_ids: DAGs.
            run_id: Same id in each of them.
            since: ISO 8601 time before the runs were started.
        """
        wanted = {"dag_ids": dag_ids, "run_after_gte": since, "page_limit": 100}
        runs = self._call("POST", "dags/~/dagRuns/list", wanted)["dag_runs"]
        return {r["dag_id"]: r["state"] for r in runs if r["dag_run_id"] == run_id}

    def log_tail(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """Last messages of the task's latest try."""
        task = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        number = self._call("GET", task)["try_number"]
        events = self._call("GET", f"{task}/logs/{number}")["content"]
        texts = [text for event in events for text in _texts(event)]
        return texts[-_LOG_LINES:]

    def _import_errors(self) -> str:
        errors = self._call("GET", "importErrors")["import_errors"]
        if not errors:
            return "See `make logs PART=dag-processor`."
        return "\n".join(f"{e['filename']}:\n{e['stack_trace']}" for e in errors)


def _texts(event: Any) -> list[str]:
    """A log event as lines: its message, and what exception came with it."""
    if not isinstance(event, dict):
        return [str(event)]
    message = str(event.get("event", ""))
    details = event.get("error_detail") or []
    causes = [f"{each['exc_type']}: {each['exc_value']}" for each in details]
    return [] if message.startswith("::") else [message, *causes]
