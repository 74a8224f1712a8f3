"""The connection chooses a profile when a task runs; the DAGs are the file's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from recorded_sync import RecordedSync, a_result

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.operators.reconcile import ReconcileOperator
from crm_warehouse.operators.sync import SyncOperator
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import Source
from include.dag_factory import SOURCES_DIRECTORY, dag_builders

PROFILE = """
profiles:
  modern:
    base_url: https://modern.genius.example
    paging: {style: number, page_param: p, size_param: s, size: 300, max_size: 500}
    entities:
      users: null
      divisions: {path: /branches}
      dogs: {into: leads, path: /dogs, records: data, id: id, map: {status: mood}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = (SOURCES_DIRECTORY / "genius.yaml").read_text("utf-8") + PROFILE
    (tmp_path / "genius.yaml").write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def source(folder: Path) -> Source:
    return load_source(folder / "genius.yaml")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RecordedSync:
    recorded = RecordedSync(a_result())
    monkeypatch.setattr("crm_warehouse.engine.sync.run_sync", recorded)
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", "postgres://u:p@localhost/db")
    return recorded


def connect(monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    connection = f'{{"password": "key", "extra": {{"profile": "{profile}"}}}}'
    monkeypatch.setenv("AIRFLOW_CONN_GENIUS_DEFAULT", connection)


def load(source: Source, entity: str) -> None:
    given = dict.fromkeys(("since", "batch_size", "override"), "")
    task = SyncOperator(
        task_id="sync",
        source=source,
        entity=source.all_entities[entity],
        mode="incremental",
        **given,
    )
    task.execute(context())


def context() -> Any:
    run = SimpleNamespace(
        run_type="manual", logical_date=None, triggering_user_name=None
    )
    task = SimpleNamespace(dag_id="d", run_id="r", try_number=1, max_tries=1)
    return {"dag_run": run, "ti": task, "outlet_events": {}}


def test_a_run_works_with_the_profile_of_the_connection(
    source: Source, engine: RecordedSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "modern")

    load(source, "divisions")

    [request] = engine.requests
    assert request.source is source.profiles["modern"]
    assert request.entity.path == "/branches"


@pytest.mark.parametrize(
    ("profile", "entity", "told"),
    [
        ("modern", "users", "genius has no users with profile 'modern'"),
        ("", "dogs", "genius has no dogs by itself"),
    ],
)
def test_an_entity_that_the_profile_lacks_is_skipped(
    source: Source,
    engine: RecordedSync,
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    entity: str,
    told: str,
) -> None:
    connect(monkeypatch, profile)

    with pytest.raises(AirflowSkipException, match=told):
        load(source, entity)
    compare = ReconcileOperator(
        task_id="reconcile",
        source=source,
        entity=source.all_entities[entity],
        wanted="all",
        repair="false",
        override="",
    )
    with pytest.raises(AirflowSkipException, match=told):
        compare.execute(context())

    assert engine.requests == []


def test_an_unknown_profile_names_the_known_ones(
    source: Source, engine: RecordedSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "modren")

    with pytest.raises(ConfigurationError, match="no profile 'modren'; known: modern"):
        load(source, "divisions")

    assert engine.requests == []


def test_every_entity_has_a_dag_and_only_given_schedules(folder: Path) -> None:
    builders = dag_builders(folder)

    dogs = builders["genius__dogs"]()
    divisions = builders["genius__divisions"]()

    assert not dogs.timetable.can_be_scheduled
    assert divisions.timetable.can_be_scheduled
    assert "genius__users" in builders
    # The form takes what any profile takes.
    assert divisions.params.get_param("batch_size").schema["maximum"] == 500
    tasks = builders["genius__reconcile"]().task_ids
    assert {"reconcile_dogs", "reconcile_users"} <= set(tasks)
