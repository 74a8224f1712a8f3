"""A connection is looked for in the environment, then in the sealed export."""

import base64
import os
from pathlib import Path

import pytest

from crm_warehouse.connections import Connection, find, sealed_file
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.sealing import seal_connections

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


def test_an_export_without_key_asks_for_the_key(environ: dict[str, str]) -> None:
    del environ["CRM_WAREHOUSE_SEALING_KEY"]

    with pytest.raises(
        ConfigurationError, match="CRM_WAREHOUSE_SEALING_KEY is not set"
    ):
        find("genius_default", environ)


def test_the_export_lives_in_the_repository_by_default() -> None:
    root = Path(__file__).parents[3]

    assert sealed_file({}) == root / ".var" / "connections.sealed"
