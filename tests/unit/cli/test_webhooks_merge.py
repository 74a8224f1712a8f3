"""``webhooks merge`` against a real warehouse and the sandbox's HubSpot."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from cli_call import Call

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.connection import postgres_connection

MERGE = ("webhooks", "merge", "--source", "hubspot")
PORTAL = 24601
_STORE = """
INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
)
VALUES ('hubspot', 'r', 'k', 'application/json', '{}', 'u', %s, %s)
"""


@pytest.fixture(scope="module")
def crm(sandbox: Callable[..., SandboxServer]) -> SandboxServer:
    return sandbox(Settings(prospects=30, quota=False), "hubspot")


@pytest.fixture
def connected(
    warehouse: str, crm: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The warehouse; commands have connections to it and to the sandbox."""
    postgres = postgres_connection(warehouse)
    _connect(monkeypatch, crm, portal_id=str(PORTAL))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", json.dumps(postgres))
    return warehouse


def _connect(monkeypatch: pytest.MonkeyPatch, crm: SandboxServer, **extra: Any) -> None:
    hubspot = {"host": crm.base_url, "password": crm.token, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(hubspot))


def _announce(conninfo: str, ids: list[Any]) -> None:
    """What the receiver does with one signed POST of HubSpot's."""
    events = [
        {
            "eventId": number,
            "subscriptionId": 1,
            "portalId": PORTAL,
            "appId": 9001,
            "occurredAt": 1_767_225_600_000,
            "subscriptionType": "contact.creation",
            "attemptNumber": 0,
            "objectId": int(record_id),
        }
        for number, record_id in enumerate(ids)
    ]
    body = json.dumps(events).encode()
    with psycopg.connect(conninfo) as conn:
        conn.execute(_STORE, [zlib.compress(body), len(body)])


def _states(conninfo: str) -> list[Any]:
    with psycopg.connect(conninfo) as conn:
        query = "SELECT state, count(*) FROM staging.webhook_events GROUP BY state"
        return conn.execute(query).fetchall()


def test_what_was_announced_is_read_and_merged(
    call: Call, connected: str, crm: SandboxServer
) -> None:
    _announce(connected, crm.move("contacts", "create", 3))

    status, out, err = call(*MERGE)

    result = json.loads(out.splitlines()[-1])
    assert status == 0, err
    assert (result["entity"], result["mode"]) == ("webhooks", "webhook")
    assert (result["status"], result["source"]) == ("success", "hubspot")
    assert result["records_created"] == result["records_processed"] == 3
    assert result["requests"] > 0
    assert _states(connected) == [("merged", 3)]
    with psycopg.connect(connected) as conn:
        rows = conn.execute("SELECT count(*) FROM warehouse.contacts").fetchone()
    assert rows == (3,)


def test_without_webhooks_it_ends_at_once_and_asks_nothing(
    call: Call, connected: str
) -> None:
    status, out, err = call(*MERGE)

    result = json.loads(out.splitlines()[-1])
    assert (status, result["status"]) == (0, "success"), err
    assert (result["records_processed"], result["requests"]) == (0, 0)


def test_webhooks_of_another_account_are_not_merged(
    call: Call,
    connected: str,
    crm: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _connect(monkeypatch, crm, portal_id=PORTAL + 1)
    _announce(connected, crm.move("contacts", "create", 2))

    status, out, _ = call(*MERGE)

    assert (status, json.loads(out.splitlines()[-1])["records_created"]) == (0, 0)
    assert "merged" not in dict(_states(connected))


def test_ids_in_the_connection_are_text_or_number(
    call: Call,
    connected: str,
    crm: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _connect(monkeypatch, crm, app_id=[9001])

    status, out, err = call(*MERGE)

    assert status == 2
    assert "hubspot_default': app_id in extra must be text or a number" in err
    assert json.loads(out)["job_id"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("webhooks",), ("COMMAND", "webhooks --help")),
        (("webhooks", "mrege"), ("'mrege'", "mean merge?")),
        (("webhooks", "merge"), ("--source", "required")),
        ((*MERGE[:3], "hubspto"), ("'hubspto'", "did you mean hubspot")),
        ((*MERGE[:3], "genius"), ("genius announces nothing by webhook",)),
        ((*MERGE, "--max-wait", "soon"), ("--max-wait", "seconds")),
    ],
)
def test_wrong_words_are_explained(
    call: Call, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    status, _, err = call(*words)

    assert status == 2
    assert err.count("error: ") == 1
    for part in said:
        assert part in err
