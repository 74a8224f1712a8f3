"""The text forms of connections, compared with Airflow's own reading of them."""

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.sdk.definitions.connection import Connection as AirflowConnection

from crm_warehouse.connections import Connection, from_environment, parse_connection
from crm_warehouse.errors import ConfigurationError

URIS = [
    "http://:token@127.0.0.1:8999/genius%2Fv1",
    "genius://:key@https%3A%2F%2Fapi.genius.com%2Fv1",
    "genius://:key@http%3A%2F%2F127.0.0.1%3A8999%2Fgenius%2Fv1",
    "genius://:key@http%3A%2F%2FLocalhost%3A8999%2FGenius%2FV1:8999",
    "genius://:key@Http%3A%2F%2FHost%2FV1",
    "genius://https://:key@api.genius.com/v1",
    "genius://https://login:key@api.genius.com:8443/v1?a=1&b=",
    "http://https://host/",
    "postgres://user:p%40ss%2Fw%3Ard@db.example.com:5432/warehouse?sslmode=require",
    "postgresql://user@%2Fvar%2Frun%2Fpostgresql/warehouse",
    "postgres://user:@/warehouse",
    "postgres://@:5432/warehouse",
    "postgres:///",
    "google-cloud-platform://?project=a%20b&n=1",
    "hubspot://:tok@host/?__extra__=%7B%22webhook_secrets%22%3A%20%5B%22a%22%5D%7D",
    "mysql://user:p%25@DB.Example.com/genius%20crm",
    "http://[::1]:8999/x",
    "  http://:t@h/v1  ",
]

JSONS: list[dict[str, Any]] = [
    {
        "conn_type": "genius",
        "host": "http://127.0.0.1:8999/genius/v1",
        "password": "sandbox-key",
    },
    {
        "conn_type": "hubspot",
        "extra": {"client_id": "c", "webhook_secrets": ["a", "b"]},
    },
    {"conn_type": "hubspot", "extra": '{"portal_id": 7}', "description": "x"},
    {
        "conn_type": "postgresql",
        "host": "h",
        "port": "5432",
        "schema": "w",
        "login": "u",
    },
    {"conn_type": "my-type", "port": 8080, "extra": ""},
    {"conn_type": None, "host": None, "password": None, "port": None, "extra": None},
    {},
]


def _both(text: str) -> tuple[Connection, AirflowConnection]:
    text = text.strip()
    ours = from_environment("genius_default", {"AIRFLOW_CONN_GENIUS_DEFAULT": text})
    assert ours is not None
    if text.startswith("{"):
        return ours, AirflowConnection.from_json(text, conn_id="genius_default")
    return ours, AirflowConnection.from_uri(text, conn_id="genius_default")


@pytest.mark.parametrize("text", [*URIS, *map(json.dumps, JSONS)])
def test_a_form_is_read_as_airflow_reads_it(text: str) -> None:
    ours, airflows = _both(text)

    assert ours == Connection(
        airflows.conn_id,
        conn_type=airflows.conn_type or "",
        host=airflows.host,
        login=airflows.login,
        password=airflows.password,
        schema=airflows.schema,
        port=airflows.port,
        extra=airflows.extra_dejson,
    )


def test_what_airflow_writes_is_read_back() -> None:
    airflows = AirflowConnection(
        conn_id="genius_default",
        conn_type="genius",
        host="http://127.0.0.1:8999/genius/v1",
        password="p@ss:w/rd%",
        extra='{"profile": "a b", "deep": {"x": [1]}}',
    )

    from_uri = parse_connection("genius_default", airflows.get_uri(), "test")
    from_json = parse_connection("genius_default", airflows.as_json(), "test")

    assert from_json.host == "http://127.0.0.1:8999/genius/v1"
    assert from_uri.password == from_json.password == "p@ss:w/rd%"
    assert from_uri.extra == from_json.extra == airflows.extra_dejson


@pytest.mark.parametrize(
    "environ", [{}, {"AIRFLOW_CONN_X": ""}, {"AIRFLOW_CONN_X": " "}]
)
def test_an_unset_or_empty_variable_is_no_connection(environ: dict[str, str]) -> None:
    assert from_environment("x", environ) is None


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f'{{"password": "{CANARY}"', "begins with '{' but is not valid JSON"),
        (
            f'{{"{CANARY}": 1}}',
            "has keys other than conn_type, description, extra, host, login, password, "
            "port, schema",
        ),
        (f'{{"password": ["{CANARY}"]}}', "password must be text; put it in quotes"),
        ('{"login": 5}', "login must be text; put it in quotes"),
        (f'{{"port": "{CANARY}"}}', "port must be a number from 1 to 65535"),
        ('{"port": 65536}', "port must be a number from 1 to 65535"),
        ('{"port": true}', "port must be a number from 1 to 65535"),
        (f'{{"extra": "{CANARY}"}}', "extra is not valid JSON"),
        (f'{{"extra": ["{CANARY}"]}}', "extra must be a JSON object"),
        (f"http://h/?__extra__={CANARY}", "extra is not valid JSON"),
        (CANARY, "is neither JSON nor a URI such as type://:token@host/path"),
        (
            f"a://b://c://{CANARY}",
            "is neither JSON nor a URI such as type://:token@host/path",
        ),
        (
            f"genius://:{CANARY}@https://host/v1",
            "a '://' behind the first must be written %3A%2F%2F",
        ),
        (
            f"my_type://:{CANARY}@host",
            "the type before '://' must be of letters, digits and '-'",
        ),
        (f"http://:t@h:{CANARY}/", "the host or port in the URI cannot be read"),
        (f"http://[{CANARY}/", "the host or port in the URI cannot be read"),
    ],
)
def test_an_unusable_value_is_said_but_never_shown(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment("genius_default", {"AIRFLOW_CONN_GENIUS_DEFAULT": text})

    assert str(caught.value) == f"AIRFLOW_CONN_GENIUS_DEFAULT: {what}"
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_texts_of_a_connection_hold_no_secret() -> None:
    connection = Connection(
        "genius_default",
        conn_type="genius",
        host=f"https://u:{CANARY}@host",
        login=CANARY,
        password=CANARY,
        extra={"client_secret": CANARY},
    )

    for text in (repr(connection), str(connection), f"{connection}"):
        assert text == "Connection(id='genius_default', conn_type='genius')"


def test_a_connection_cannot_be_changed() -> None:
    settings = {"a": 1}
    connection = Connection("x", extra=settings)
    settings["a"] = 2

    with pytest.raises(TypeError):
        connection.extra["a"] = 3  # type: ignore[index]
    assert connection.extra["a"] == 1
    assert hash(connection) == hash(Connection("x"))


def test_the_json_form_reads_back() -> None:
    connection = Connection("x", "genius", "https://h", "l", "p", "s", 1, {"a": ["b"]})

    assert parse_connection("x", connection.as_json(), "test") == connection


def test_looking_up_a_connection_loads_neither_airflow_nor_psycopg() -> None:
    program = (
        "import sys; from crm_warehouse.connections import find; find('x');"
        "heavy = {'airflow', 'psycopg', 'cryptography'} & sys.modules.keys();"
        "print(sorted(heavy))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"AIRFLOW_CONN_X": "http://h", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
