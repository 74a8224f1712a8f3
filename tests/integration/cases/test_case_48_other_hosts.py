"""Case 48: nothing that a source says makes us connect to another host.

A server of an attacker listens on another port. Redirects, cursors, links and ids lead
there; every source's real client is watched while it connects.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest
from urllib3.util import connection

from crm_warehouse.errors import CrmWarehouseError, RequestRefusedError
from tests.integration.cases.conftest import Between
from tests.proof.meddler import MAIN, with_body
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import Reply, Request, ScriptedServer

REDIRECTS = (301, 302, 303, 307, 308)
#: How another host can be written; ``{port}`` is the attacker's.
ADDRESSES = (
    "http://127.0.0.1:{port}/stolen",
    "https://127.0.0.1:{port}/stolen",
    "http://127.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://user:word@127.0.0.1:{port}/",
    "//127.0.0.1:{port}/stolen",
    "\\\\127.0.0.1:{port}\\stolen",
    "@127.0.0.1:{port}/",
    "/..//127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
)


@pytest.fixture
def attacker() -> Iterator[ScriptedServer]:
    """Takes whatever comes, and notes it."""
    server = ScriptedServer()
    server.run(lambda _: Reply(200, b"{}"))
    with server.serving():
        yield server


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """Hosts and ports that the clients open connections to."""
    seen: set[tuple[str, int]] = set()
    connect = connection.create_connection

    def noted(address: tuple[str, int], *others: Any, **more: Any) -> Any:
        seen.add(address)
        return connect(address, *others, **more)

    monkeypatch.setattr(connection, "create_connection", noted)
    return seen


@pytest.mark.parametrize("system", MAIN)
def test_redirects_are_refused_and_carry_nothing(
    between: Between,
    attacker: ScriptedServer,
    connected: set[tuple[str, int]],
    system: str,
) -> None:
    crm = between(system)
    away = f"http://127.0.0.1:{attacker.port}/stolen"

    for status in REDIRECTS:
        moved = Reply(status, b"moved", {"Location": away})
        crm.strike(1, lambda *_, moved=moved: moved)
        with pytest.raises(RequestRefusedError, match=str(status)):
            crm.house.sync(MAIN[system], restart=True)

    assert attacker.connections == set()
    assert crm.only_it(connected)
    assert crm.house.value("SELECT count(*) FROM ops.watermarks") == 0


@pytest.mark.parametrize("system", MAIN)
def test_links_and_cursors_lead_nowhere_else(
    between: Between,
    attacker: ScriptedServer,
    connected: set[tuple[str, int]],
    system: str,
) -> None:
    """A cursor is a parameter's value whatever it says; a link is not looked at."""
    crm = between(system)
    in_the_end: AbstractContextManager[Any] = nullcontext()
    if system in ("hubspot", "activeprospect"):  # they know no such cursor
        in_the_end = pytest.raises(CrmWarehouseError)

    for address in ADDRESSES:
        away = address.format(port=attacker.port)
        struck = crm.strike(1, partial(_mislead, away))
        with in_the_end:
            crm.house.sync(MAIN[system], "full", restart=True)
        assert len(struck) == 1

    assert attacker.connections == set()
    assert crm.only_it(connected)


def _mislead(away: str, _: Request, reply: Reply) -> Reply:
    linked = with_body(reply, reply.body, Link=f'<{away}>; rel="next"')
    if reply.body.startswith(b"<"):
        return linked
    page: dict[str, Any] = json.loads(reply.body)
    page["next"] = page["links"] = away
    if "next_cursor" in page:
        page["next_cursor"] = away
    if "paging" in page:
        page["paging"] = {"next": {"after": away, "link": away}}
    return with_body(linked, json.dumps(page).encode())


@pytest.mark.parametrize("system", MAIN)
def test_ids_lead_nowhere_else(
    between: Between,
    attacker: ScriptedServer,
    connected: set[tuple[str, int]],
    system: str,
) -> None:
    crm = between(system)
    entity = crm.house.source.entities[MAIN[system]]
    client = crm.house.open_client(RecordingGate())

    for address in ADDRESSES:
        source_id = address.format(port=attacker.port)
        assert client.fetch(entity, source_id) is None
    client.close()

    assert attacker.connections == set()
    # HubSpot's ids are numbers: there nothing was asked at all.
    assert not connected or crm.only_it(connected)
