"""The DAG of a source's database, and its connection in Airflow."""

from typing import Any

import pytest

from crm_warehouse.databases import factory
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.hooks import ways
from include.dag_factory import dag_builders
from tests.proof.house import GENIUS


def test_it_says_what_it_reads() -> None:
    dag: Any = dag_builders()["genius__prospects__database"]()

    assert dag.description == "Genius CRM's database: prospects into warehouse.contacts"
    assert "from table `prospect` of Genius CRM's database" in dag.doc_md
    assert "| Connection | `genius_database` |" in dag.doc_md
    assert "--entity prospects --via database`" in dag.doc_md
    assert dag.get_task("sync").via == "database"
    assert dag.schedule is None
    assert dag.tags == {"genius", "prospects", "database", "crm"}
    assert dag.params.get_param("batch_size").description == (
        "Records asked for per request; empty: 100 unless the configuration says"
        " otherwise. At most 100."
    )


def test_it_takes_airflows_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GENIUS_DATABASE", "mysql://u:p@h:3307/genius")
    found: list[Any] = []
    monkeypatch.setattr(factory, "client_factory", lambda *given: found.append(given))

    ways.client_factory(GENIUS, "database")

    [(source, connection)] = found
    assert source is GENIUS
    assert (connection.conn_type, connection.host, connection.port) == (
        "mysql",
        "h",
        3307,
    )
    assert (connection.login, connection.password, connection.schema) == (
        "u",
        "p",
        "genius",
    )


def test_a_connection_that_nobody_made_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match="connection genius_database: does not"
    ):
        ways.client_factory(GENIUS, "database")
