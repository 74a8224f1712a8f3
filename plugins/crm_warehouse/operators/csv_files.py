"""The tasks that wait for files of an entity, and import them."""

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowSkipException

from crm_warehouse.csv_files.drop import (
    VARIABLE,
    Dropped,
    drop_url,
    is_as_found,
    local_copy,
    put_away,
)
from crm_warehouse.errors import Action, ConfigurationError, CrmWarehouseError
from crm_warehouse.operators.load import LoadOperator
from crm_warehouse.operators.settings import parse_override
from crm_warehouse.operators.watching import WatchSensor
from crm_warehouse.spec import Entity, Source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from crm_warehouse.csv_files.file import CsvFile
    from crm_warehouse.engine.job import SyncRequest, SyncResult


class DropSensor(WatchSensor):
    """Wait, without a worker slot, until files of an entity were dropped.

    Green when there are some, with their names for the next task; skipped when none
    came within ``timeout``, so that no run stays open for ever.

    Args:
        source: Definition of the source.
        entity: Entity of that source.
        work_task_id: Task of the same DAG that imports.
    """

    def __init__(self, *, source: Source, entity: Entity, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.entity = entity

    def execute(self, context: "Context") -> None:
        """Rest after a run that failed; then wait.

        Raises:
            ConfigurationError: There is no drop folder.
        """
        self.rest(context, "left files behind", then="look")
        self.look(context)

    def look(self, context: "Context", event: Any = None) -> None:
        """Wait: only two looks tell a finished file from one that grows."""
        del context, event
        # Imported here: this module is imported whenever a DAG file is parsed.
        from crm_warehouse.triggers.drop import DropTrigger

        trigger = DropTrigger(_folder_url(self.source, self.entity), until=self.until())
        self.defer(trigger=trigger, method_name="wake")

    def wake(self, context: "Context", event: Any = None) -> list[list[Any]]:
        """Where Airflow goes on when the trigger has fired.

        Returns:
            ``[name, size_bytes, modified]`` of each file.
        """
        del context
        from crm_warehouse.triggers.watching import QUIET

        if event == QUIET:
            raise AirflowSkipException("no files came; the next run waits on")
        found: list[list[Any]] = event
        return found


class ImportFilesOperator(LoadOperator):
    """Import dropped files one after the other, and put each away.

    A file that a person must look at goes to ``failed``, and does not keep the others
    from being imported; then the task fails.

    Args:
        source: Definition of the source.
        entity: Entity of that source.
        files: ``[name, size_bytes, modified]`` of each.
        snapshot: Whether each file is the whole truth.
        override: Guards to ignore, with commas between, or empty.
    """

    template_fields = ("files", "snapshot", "override")

    def __init__(
        self,
        *,
        source: Source,
        entity: Entity,
        files: Any,
        snapshot: str = "{{ params.snapshot }}",
        override: str = "{{ (params.override or []) | join(',') }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.entity = entity
        self.files = files
        self.snapshot = snapshot
        self.override = override

    def execute(self, context: "Context") -> dict[str, Any]:
        """Import each file.

        Returns:
            ``imported`` and ``failed``: names of files; the counters of the last job
            of each are in its report.

        Raises:
            ConfigurationError: Files went to ``failed``.
            CrmWarehouseError: A passing fault; the files left are imported later.
            OSError: A file could not be read or put away; the others were imported.
        """
        # Imported here: this module is imported whenever a DAG file is parsed.
        from airflow.sdk import ObjectStoragePath

        folder = ObjectStoragePath(_folder_url(self.source, self.entity))
        outcome: dict[str, Any] = {"imported": [], "failed": []}
        stuck: OSError | None = None
        for each in self.files:
            dropped = Dropped(*each)
            path = folder / dropped.name
            if not is_as_found(path, dropped):
                self.log.info("%s: is not there, or not finished", dropped.name)
                continue
            try:
                became = self._import(context, path, dropped)
            except OSError as error:
                self.log.exception("%s: cannot be read or put away", dropped.name)
                stuck = stuck or error
                continue
            if became is not None:
                outcome[became].append(dropped.name)
        if stuck is not None:
            raise stuck
        if outcome["failed"]:
            raise ConfigurationError(
                f"moved to {folder.name}/failed, where a report beside each says why:"
                f" {', '.join(outcome['failed'])}"
            )
        return outcome

    def _import(
        self, context: "Context", path: Any, dropped: Dropped
    ) -> Literal["imported", "failed"] | None:
        """Import one file, and put it away.

        Returns:
            What became of it; None: it was written to meanwhile, and stays.
        """
        with local_copy(path, dropped) as (local, moment):
            try:
                file, result = self._load_file(context, local, dropped.name, moment)
            except CrmWarehouseError as error:
                if error.action is Action.SKIP:
                    raise AirflowSkipException(str(error)) from error
                self._explain(error)
                if error.action is not Action.STOP:
                    raise
                if self._still_grows(path, dropped):
                    return None
                put_away(path, "failed", f"{dropped.name}: not imported\n\n{error}")
                return "failed"
            self._report(context, result)
            if self._still_grows(path, dropped):
                return None
            self._put_away(path, file, result)
        return "imported"

    def _still_grows(self, path: Any, dropped: Dropped) -> bool:
        """Whether more came into the file than was read: it would be lost."""
        if is_as_found(path, dropped):
            return False
        self.log.warning(
            "%s: was written to while it was read; a later run imports it anew",
            dropped.name,
        )
        return True

    def _load_file(
        self, context: "Context", local: Any, name: str, moment: Any
    ) -> "tuple[CsvFile, SyncResult]":
        from crm_warehouse.csv_files.client import csv_way
        from crm_warehouse.csv_files.file import look_at
        from crm_warehouse.engine.file_imports import opener
        from crm_warehouse.engine.sync import run_sync
        from crm_warehouse.hooks.warehouse import WarehouseHook

        source, entity = self.reached(self.source, self.entity.name)
        file = look_at(local, csv_way(entity), name=name, modified_at=moment)
        request = self._request(context, source, entity, file)
        result = run_sync(
            request,
            conninfo=WarehouseHook().conninfo(),
            open_client=opener(request),
            progress=self._log_chunk,
        )
        return file, result

    def _request(
        self, context: "Context", source: Source, entity: Entity, file: "CsvFile"
    ) -> "SyncRequest":
        from crm_warehouse.engine.job import SyncRequest

        task_instance = context["ti"]
        return SyncRequest(
            source=source,
            entity=entity,
            source_system=source.name,
            mode="full" if self.snapshot == "True" else "incremental",
            via="csv",
            file=file,
            override=parse_override(self.override),
            triggered_by="airflow",
            asked_by=context["dag_run"].triggering_user_name,
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            try_number=task_instance.try_number,
            # Airflow raises max_tries when a run is cleared.
            first_try=task_instance.max_tries - (self.retries or 0) + 1,
        )

    def _put_away(self, path: Any, file: "CsvFile", result: "SyncResult") -> None:
        from crm_warehouse.engine.file_report import read_report, write_bad_rows
        from crm_warehouse.hooks.warehouse import WarehouseHook

        conninfo = WarehouseHook().conninfo()
        report = read_report(conninfo, result.job_id, result.notes)
        put_away(path, "archive", report.text(), partial(write_bad_rows, report, file))


def _folder_url(source: Source, entity: Entity) -> str:
    url = drop_url(source.name, entity.name)
    if url is None:
        raise ConfigurationError(
            f"there is no drop folder: set {VARIABLE} to a folder, or the URL of one in"
            " an object store, for all parts of Airflow"
        )
    return url
