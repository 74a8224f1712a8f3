"""A connection is looked for in the environment, then in the sealed export."""

import base64
import os
from pathlib import Path

import pytest

from crm_warehouse.connections import Connection, find, look_up, sealed_file
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.sealing import seal_connections
from webhook_receiver.settings import from_environment

KEY = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose export holds ``genius_default``."""
    path = tmp_path / "connections.sealed"
    environ = {
        "CRM_WAREHOUSE_SEALING_KEY": KEY,
        "CRM_WAREHOUSE_CONNECTIONS": str(path),
    }
    seal_connections([Connection("genius_default", password="sealed")], path, environ)
    return environ


def test_the_export_is_used(environ: dict[str, str]) -> None:
    assert find("genius_default", environ).password == "sealed"


def test_the_environment_wins(environ: dict[str, str]) -> None:
    environ["AIRFLOW_CONN_GENIUS_DEFAULT"] = "genius://:plain@"

    assert find("genius_default", environ).password == "plain"


def test_what_is_nowhere_says_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find("hubspot_default", environ)

    assert str(caught.value) == (
        "connection 'hubspot_default' is not known: set AIRFLOW_CONN_HUBSPOT_DEFAULT "
        "(URI or JSON), or define it in Airflow and run `python -m crm_warehouse "
        f"connections export`, which writes {environ['CRM_WAREHOUSE_CONNECTIONS']}"
    )


def test_without_export_no_key_is_asked_for(tmp_path: Path) -> None:
    environ = {"CRM_WAREHOUSE_CONNECTIONS": str(tmp_path / "gone")}

    with pytest.raises(ConfigurationError, match="'genius_default' is not known"):
        find("genius_default", environ)


@pytest.mark.parametrize("key", [None, " "])
def test_an_export_without_key_names_variable_and_key(
    environ: dict[str, str], key: str | None
) -> None:
    del environ["CRM_WAREHOUSE_SEALING_KEY"]
    if key:
        environ["CRM_WAREHOUSE_SEALING_KEY"] = key

    with pytest.raises(ConfigurationError) as caught:
        find("genius_default", environ)

    assert str(caught.value) == (
        "connection 'genius_default' is not known: set AIRFLOW_CONN_GENIUS_DEFAULT "
        "(URI or JSON), or CRM_WAREHOUSE_SEALING_KEY to open "
        f"{environ['CRM_WAREHOUSE_CONNECTIONS']}"
    )


def test_the_receiver_names_the_variable_of_the_warehouse_first(
    environ: dict[str, str],
) -> None:
    del environ["CRM_WAREHOUSE_SEALING_KEY"]

    with pytest.raises(
        ConfigurationError,
        match=r"^connection 'crm_warehouse' is not known: "
        r"set AIRFLOW_CONN_CRM_WAREHOUSE \(URI or JSON\), or CRM_WAREHOUSE_SEALING_KEY",
    ):
        from_environment(["hubspot"], environ)


def test_what_is_wrong_in_the_environment_is_not_looked_for_elsewhere(
    environ: dict[str, str],
) -> None:
    environ["AIRFLOW_CONN_GENIUS_DEFAULT"] = "{"

    with pytest.raises(ConfigurationError, match=r"^AIRFLOW_CONN_GENIUS_DEFAULT: "):
        look_up("genius_default", environ)


def test_the_export_lives_in_the_repository_by_default() -> None:
    root = Path(__file__).parents[3]

    assert sealed_file({}) == root / ".var" / "connections.sealed"
