"""PostgreSQL connections for libpq."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from crm_warehouse.connections import Connection, conninfo, parse_connection
from crm_warehouse.errors import ConfigurationError


def test_every_part_reaches_libpq() -> None:
    connection = parse_connection(
        "crm_warehouse",
        "postgresql://crm:p%20a'ss%5C@db.example.com:5433/warehouse"
        "?sslmode=verify-full&application_name=crm&options=-c%20work_mem%3D1MB",
        "test",
    )

    assert conninfo_to_dict(conninfo(connection)) == {
        "host": "db.example.com",
        "port": "5433",
        "dbname": "warehouse",
        "user": "crm",
        "password": "p a'ss\\",
        "sslmode": "verify-full",
        "application_name": "crm",
        "options": "-c work_mem=1MB",
    }


def test_what_is_not_given_is_left_to_libpq() -> None:
    connection = Connection("w", "postgres", host="", schema="", login="", password="")

    assert conninfo(connection) == ""


def test_a_socket_folder_is_a_host() -> None:
    connection = parse_connection("w", "postgres://u@%2Frun%2Fpg/w", "test")

    assert conninfo_to_dict(conninfo(connection))["host"] == "/run/pg"


def test_another_type_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="'w': is of type 'mysql', but must be p"
    ):
        conninfo(Connection("w", "mysql"))


def test_a_misspelt_option_is_refused_rather_than_ignored() -> None:
    connection = Connection("w", "postgres", extra={"ssl_mode": "canary"})

    with pytest.raises(
        ConfigurationError, match="unknown keys in extra: ssl_mode;"
    ) as e:
        conninfo(connection)
    assert "canary" not in str(e.value)


@pytest.mark.parametrize("value", ["can\0ary", ["canary"], {"canary": 1}, 1.5])
def test_a_value_that_libpq_would_misread_is_refused_unseen(value: object) -> None:
    connection = Connection("w", "postgres", extra={"options": value})

    with pytest.raises(ConfigurationError) as caught:
        conninfo(connection)

    assert str(caught.value) == (
        "connection 'w': options must be text or a whole number"
    )
