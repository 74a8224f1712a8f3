import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow_home import HOME, ROOT

from crm_warehouse.source_files import load_sources
from crm_warehouse.source_files.names import RESERVED_ENTITIES
from include.dag_factory import MAINTENANCE, REPROCESS, SOURCES_DIRECTORY, dag_builders

HERE = Path(__file__).parent
CONTRACT = {
    "genius": "prospects appointments users divisions marketing_sources recover"
    " reconcile prospects__database appointments__database users__database"
    " divisions__database marketing_sources__database",
    "hubspot": "contacts deals companies pipelines owners webhooks recover reconcile"
    " sweep",
    "marketsharp": "contacts leads jobs activities recover reconcile appointments"
    " contact_phones addresses employees inquiry_statuses inquiry_sources",
    "activeprospect": "leads events webhooks recover reconcile",
    "warehouse": "maintenance reprocess",
}
HEAVY = {"psycopg", "psycopg2", "requests", "lxml", "cryptography", "phonenumbers"}


BY_CSV = {
    "genius": "prospects appointments users divisions marketing_sources",
    "marketsharp": "contacts leads jobs activities",
}


def contract_ids() -> set[str]:
    own = {
        f"{source}__{word}" for source in CONTRACT for word in CONTRACT[source].split()
    }
    return own | {
        f"{source}__{word}__csv" for source in BY_CSV for word in BY_CSV[source].split()
    }


def run_program(name: str) -> Any:
    environment = {**os.environ, "AIRFLOW_HOME": str(HOME)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / name, ROOT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed() -> Any:
    return run_program("parse_guarded.py")


def test_parsing_needs_no_database_and_no_network(parsed: Any) -> None:
    assert set(parsed["dag_ids"]) == contract_ids()


def test_parsing_costs_less_than_a_second(parsed: Any) -> None:
    assert parsed["cpu_seconds"] < 1.0


def test_parsing_imports_nothing_heavy(parsed: Any) -> None:
    loaded = {name.partition(".")[0] for name in parsed["loaded"]}

    assert "crm_warehouse" in loaded
    assert loaded & HEAVY == set()
    assert not any(name.startswith("crm_warehouse.hooks") for name in parsed["loaded"])


def test_a_task_opens_its_client_without_what_airflows_pages_need(parsed: Any) -> None:
    loaded = set(parsed["loaded_by_a_task"])

    assert "crm_warehouse.hooks.ways" in loaded
    assert not loaded & {"aiohttp", "airflow.providers.http.hooks.http"}


def test_the_bundle_has_the_dags_of_the_contract(bundle: Any) -> None:
    assert bundle.import_errors == {}
    assert set(bundle.dags) == contract_ids()


def test_a_source_without_code_has_its_dags_and_its_connection() -> None:
    from crm_warehouse.hooks.registry import hook_of

    keap = ROOT / "examples" / "keap" / "sources"
    builders = dag_builders(keap)
    (source,) = load_sources(keap).values()

    assert set(builders) == {
        *(f"keap__{w}" for w in ("contacts", "appointments", "recover", "reconcile")),
        MAINTENANCE,
        REPROCESS,
    }
    assert builders["keap__contacts"]().dag_id == "keap__contacts"
    hook = hook_of(source)
    assert (hook.conn_type, hook.conn_id) == ("crm_rest", "keap_default")


def test_no_entity_can_take_the_id_of_another_dag() -> None:
    sources = load_sources(SOURCES_DIRECTORY).values()
    own = {
        entity.dag_id_via(via)
        for each in sources
        for entity in each.all_entities.values()
        for via in entity.vias
    }

    others = dag_builders().keys() - own - {MAINTENANCE, REPROCESS}

    assert {each.partition("__")[2] for each in others} == set(RESERVED_ENTITIES)


def test_a_task_whose_process_was_killed_comes_again_within_seconds(
    bundle: Any,
) -> None:
    tasks = [task for dag in bundle.dags.values() for task in dag.tasks]

    assert all(task.retries > 0 for task in tasks)
    # Airflow waits once to twice the delay before the second try.
    assert {task.retry_delay.total_seconds() for task in tasks} == {3.0}
    assert {task.retry_exponential_backoff for task in tasks} == {2.0}
    # Also the fourth kill of the same task must be over within a minute.
    assert {task.max_retry_delay.total_seconds() for task in tasks} == {15.0}


def test_only_the_dags_folder_is_executed(bundle: Any) -> None:
    assert set(bundle.file_last_changed) == {str(ROOT / "dags" / "crm_dags.py")}


def test_a_task_process_builds_only_its_own_dag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "genius__users")
    bag = DagBag(ROOT / "dags" / "crm_dags.py", bundle_path=ROOT, bundle_name="crm")

    assert set(bag.dags) == {"genius__users"}


def test_the_plugin_folder_executes_its_plugin_file_only() -> None:
    loaded = run_program("load_plugins.py")

    assert loaded["errors"] == {}
    assert "crm_warehouse" in loaded["plugins"]
    assert loaded["modules"] == {
        "crm_warehouse_plugin": "crm_warehouse_plugin.py",
        "crm_warehouse": "crm_warehouse/__init__.py",
        "crm_warehouse.hooks": "crm_warehouse/hooks/__init__.py",
        "crm_warehouse.hooks.provider_info": "crm_warehouse/hooks/provider_info.py",
    }


def two_sources(directory: Path, second: str) -> Path:
    genius = (SOURCES_DIRECTORY / "genius.yaml").read_text()
    (directory / "genius.yaml").write_text(genius)
    (directory / "second.yaml").write_text(second)
    return directory


def test_a_broken_source_does_not_take_the_others_down(tmp_path: Path) -> None:
    builders = dag_builders(two_sources(tmp_path, "source: second\nwrong: true\n"))

    genius = {dag_id for dag_id in builders if dag_id.startswith("genius__")}
    assert genius == {id_ for id_ in contract_ids() if id_.startswith("genius__")}
    assert set(builders) - genius == {
        "second__configuration_error",
        "warehouse__maintenance",
        "warehouse__reprocess",
    }


def test_the_stand_in_of_a_broken_source_says_what_is_wrong(tmp_path: Path) -> None:
    from crm_warehouse.errors import ConfigurationError

    builders = dag_builders(two_sources(tmp_path, "source: second\nwrong: true\n"))
    dag = builders["second__configuration_error"]()

    assert "wrong" in dag.doc_md
    assert dag.schedule == "@hourly"
    with pytest.raises(ConfigurationError, match="wrong"):
        type(dag.get_task("explain")).execute.__wrapped__(dag.get_task("explain"), {})


def test_a_source_defined_twice_keeps_the_first_file(tmp_path: Path) -> None:
    twice = (SOURCES_DIRECTORY / "genius.yaml").read_text()

    builders = dag_builders(two_sources(tmp_path, twice))

    assert "genius__users" in builders
    assert "second__configuration_error" in builders


def test_a_file_name_that_is_no_dag_id_is_made_one(tmp_path: Path) -> None:
    (tmp_path / "my source (new).yaml").write_text("[]")

    assert list(dag_builders(tmp_path)) == ["my_source__new___configuration_error"]
