"""Servers that go away, refuse, or are not as the source file says."""

from dataclasses import replace
from typing import Any

import pytest
from database_tables import SOURCE, FreeGate, client_of, entity_of, pages_of

from crm_warehouse.clients.interface import Window
from crm_warehouse.connections import Connection
from crm_warehouse.databases import client as client_module
from crm_warehouse.databases.factory import client_factory
from crm_warehouse.databases.server import server_of
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    CrmWarehouseError,
    TransientSourceError,
)
from crm_warehouse.ways_in import ColumnRule, Join
from tests.proof.source_databases import OpenDatabase, SourceDatabase

SERVERS = pytest.mark.parametrize("kind", ["postgres", "mariadb"])


def fill(database: SourceDatabase, count: int = 9) -> None:
    values = ", ".join(f"({number}, 'n{number}')" for number in range(1, count + 1))
    database.execute(
        "CREATE TABLE person (id integer PRIMARY KEY, name varchar(20))",
        f"INSERT INTO person VALUES {values}",
    )


@SERVERS
def test_a_session_that_is_cut_off_goes_on_behind_the_last_row(
    open_database: OpenDatabase, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_FIRST_ROWS", 4)
    database, gate = open_database(kind), FreeGate()
    fill(database)
    client = client_of(database, gate)
    pages = client.iter_pages(
        entity_of(table="person"), Window(None, None), checkpoint=None, page_size=2
    )
    found = [record["id"] for record in next(pages).records]
    database.cut()

    rest = list(pages)
    client.close()

    found += [record["id"] for page in rest for record in page.records]
    assert found == list(range(1, 10))
    assert len(gate.pauses) == 1
    assert gate.pauses[0].startswith("genius_database: prospects: the database failed")
    assert gate.tally.retries == 1


@SERVERS
def test_a_wrong_password_stops_at_once(open_database: OpenDatabase, kind: str) -> None:
    database, gate = open_database(kind), FreeGate()
    wrong = replace(database.connection, password="not the secret one")
    client = client_factory(SOURCE, wrong)(gate)

    with pytest.raises(AuthenticationError, match="refuses the login") as caught:
        client.fetch(entity_of(table="person"), "1")

    client.close()
    assert gate.pauses == []
    assert wrong.password not in str(caught.value)
    assert str(wrong.login) not in str(caught.value)


@SERVERS
def test_a_table_that_goes_away_or_may_not_be_read_stops_at_once(
    open_database: OpenDatabase, kind: str
) -> None:
    database, gate = open_database(kind), FreeGate()
    fill(database)
    client = client_of(database, gate)
    entity = entity_of(table="person")
    assert client.fetch(entity, "1") is not None
    login = database.connection.login
    database.execute(
        f"REVOKE SELECT ON person FROM {login}"
        if kind == "postgres"
        else "DROP TABLE person"
    )

    with pytest.raises(CrmWarehouseError, match="genius_database: prosp") as caught:
        client.fetch(entity, "1")

    client.close()
    wanted = AuthenticationError if kind == "postgres" else ConfigurationError
    assert type(caught.value) is wanted
    assert gate.pauses == []


@SERVERS
def test_a_server_that_is_down_is_tried_as_often_as_the_policy_says(
    open_database: OpenDatabase, kind: str
) -> None:
    database, gate = open_database(kind), FreeGate()
    gone = replace(database.connection, port=1)
    client = client_factory(SOURCE, gone)(gate)

    with pytest.raises(TransientSourceError, match="genius_database: prospects: the"):
        client.fetch(entity_of(table="person"), "1")

    client.close()
    assert len(gate.pauses) == len(SOURCE.retry.delays)


def test_a_view_takes_another_right_in_mysql(open_database: OpenDatabase) -> None:
    database = open_database("mariadb")
    fill(database)
    database.execute("CREATE VIEW people AS SELECT id, name FROM person")
    entity = entity_of(table="people")

    with pytest.raises(AuthenticationError, match="and SHOW VIEW if it is a view"):
        pages_of(database, entity)
    as_owner = replace(database, connection=database.owner)
    assert pages_of(as_owner, entity)[-1].total == 9

    database.execute("DROP TABLE person")
    with pytest.raises(ConfigurationError, match="people is a view that the database"):
        pages_of(as_owner, entity)


@pytest.mark.parametrize("key", [("branch",), ("id", "branch")])
def test_a_row_without_a_key_stops_at_once(
    source_database: SourceDatabase, key: tuple[str, ...]
) -> None:
    """Nobody could say which rows come behind it."""
    source_database.execute(
        "CREATE TABLE person (id integer, branch varchar(9))",
        "INSERT INTO person VALUES (1, 'a'), (1, NULL), (2, 'b')",
    )

    with pytest.raises(ConfigurationError, match="person has no value in its key"):
        pages_of(source_database, entity_of(table="person", key=key), page_size=1)


def test_what_is_unique_of_some_rows_only_is_not(
    source_database: SourceDatabase,
) -> None:
    some = "" if source_database.kind == "mariadb" else " WHERE gone IS NULL"
    kind = "" if source_database.kind == "mariadb" else "UNIQUE "
    source_database.execute(
        "CREATE TABLE person (id integer PRIMARY KEY, name varchar(9), gone date)",
        f"CREATE {kind}INDEX living ON person (name){some}",
        "INSERT INTO person VALUES (1, 'a', NULL), (2, 'a', '2026-03-01')",
    )

    with pytest.raises(ConfigurationError, match="key name is not unique in person"):
        pages_of(source_database, entity_of(table="person", key=("name",)))
    whole = entity_of(table="person", key=("name", "id"))
    assert pages_of(source_database, whole)[-1].total == 2


def test_nothing_can_be_written_even_by_the_owner(
    source_database: SourceDatabase,
) -> None:
    fill(source_database)
    opened = server_of(source_database.owner, 30.0).connect()
    try:
        cursor = opened.cursor()
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            cursor.execute("DELETE FROM person")
        cursor.close()
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ({"table": "persons"}, "there is no table persons"),
        ({"key": ("idd",)}, "table person has no column 'idd'; did you mean 'id'?"),
        ({"changed": ("name",)}, "column name of changed is of type VARCHAR"),
        ({"key": ("rate",)}, "key column rate is of type"),
        ({"key": ("name",)}, "key name is not unique in person, so that rows would"),
        (
            {"columns": {"a": ColumnRule(("nam",))}},
            "has no column 'nam'; did you mean 'n",
        ),
        ({"leave_out": ("nme",)}, "has no column 'nme'; did you mean 'name'?"),
        (
            {"joins": {"branch": Join("branch", "branch_id", "label")}},
            "joins.branch: label is no unique column of branch",
        ),
        (
            {
                "joins": {"branch": Join("branch", "branch_id", "id")},
                "columns": {"a": ColumnRule(("branch.lable",))},
            },
            "table branch has no column 'lable'; did you mean 'label'?",
        ),
    ],
)
def test_tables_that_are_not_as_the_file_says(
    open_database: OpenDatabase, way: dict[str, Any], problem: str
) -> None:
    database = open_database("sqlite")
    database.execute(
        "CREATE TABLE branch (id integer PRIMARY KEY, label varchar(9))",
        """CREATE TABLE person (id integer PRIMARY KEY, name varchar(9), rate float,
           branch_id integer)""",
    )

    with pytest.raises(ConfigurationError) as caught:
        pages_of(database, entity_of(**{"table": "person", **way}))

    assert str(caught.value).startswith("genius_database: prospects: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("connection", "problem"),
    [
        (
            Connection("d", "http", "h"),
            "is of type 'http', but a source's database must",
        ),
        (Connection("d", "mysql", "h"), "user, database is missing"),
        (Connection("d", "sqlite", "/no/such/file"), "must be the path of an SQLite"),
        (
            Connection("d", "mysql", "h", "u", "p", "s", extra={"sslmode": "x"}),
            "unknown keys in extra: sslmode; known: ssl_ca, ssl_cert, ssl_key, ssl",
        ),
        (
            Connection("d", "mysql", "h", "u", "p", "s", extra={"ssl_mode": "off"}),
            "ssl_mode in extra must be one of disabled, required, verify",
        ),
        (
            Connection("d", "mysql", "h", "u", "p", "s", extra={"ssl_ca": "/no/ca"}),
            "ssl_ca, ssl_cert or ssl_key in extra cannot be read",
        ),
    ],
)
def test_connections_that_cannot_be(connection: Connection, problem: str) -> None:
    with pytest.raises(ConfigurationError, match="connection 'd'") as caught:
        server_of(connection, 30.0)

    assert problem in str(caught.value)


def test_no_password_shows() -> None:
    connection = Connection("d", "mysql", "127.0.0.1", "u", "geheim", "s")

    assert "geheim" not in repr(server_of(connection, 30.0))


def test_postgresql_sends_text_and_a_silent_network_is_noticed(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")  # what such a server would say
    connection = open_database("postgres").connection

    opened: Any = server_of(connection, 5).connect()

    with opened:
        assert opened.execute("SELECT 'José'").fetchone() == ("José",)
        parameters = opened.info.get_parameters()
    assert parameters["keepalives_idle"] == "60"
