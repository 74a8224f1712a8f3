"""A merge that takes a long queue apart lives, and has an end."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.clients.interface import Gate
from crm_warehouse.engine import inbox, lock
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.errors import SyncConflictError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source

#: As if its process had said nothing for an hour, which the merge of a test has not.
AGE = "UPDATE ops.sync_jobs SET heartbeat_at = now() - interval '1 hour'"
IDS = "SELECT source_id FROM warehouse.contacts ORDER BY 1"
Merge = Callable[[], SyncResult]
AtEach = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return replace(load_source(default_directory() / "hubspot.yaml"), quotas=())


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm({"contacts": {str(n): contact(n, "Ann") for n in range(1, 10)}})


@pytest.fixture
def merge(warehouse: str, hubspot: Source, crm: ScriptedCrm) -> Merge:
    return lambda: merge_webhooks(
        WebhookRequest(hubspot, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


@pytest.fixture
def at_each(monkeypatch: pytest.MonkeyPatch) -> AtEach:
    """Has something done whenever a delivery is taken apart."""
    unpack = inbox.unpack

    def at_each(act: Callable[[], object]) -> None:
        def unpack_and_act(body: bytes) -> bytes:
            act()
            return unpack(body)

        monkeypatch.setattr(inbox, "unpack", unpack_and_act)

    return at_each


def test_a_second_merge_does_not_end_one_that_takes_deliveries_apart(
    conn: Connection, merge: Merge, at_each: AtEach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.2)
    for n in (1, 2):
        deliver(conn, event(n, number=n))
    opened = []

    def act() -> None:
        opened.append(True)
        if len(opened) == 1:
            conn.execute(AGE)
        else:
            with pytest.raises(SyncConflictError):
                merge()

    at_each(act)

    assert merge().status == "success"
    assert len(opened) == 2
    assert rows(conn, IDS) == [("1",), ("2",)]


def test_a_merge_says_that_it_lives_when_all_is_taken_apart(
    conn: Connection,
    merge: Merge,
    crm: ScriptedCrm,
    at_each: AtEach,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliver(conn, event(1))
    at_each(lambda: conn.execute(AGE))
    young = "SELECT heartbeat_at > now() - interval '1 minute' FROM ops.sync_jobs"
    open_client, seen = crm.open_client, []

    def look_and_open(gate: Gate) -> ScriptedCrm:
        seen.extend(rows(conn, young))
        return open_client(gate)

    monkeypatch.setattr(crm, "open_client", look_and_open)

    merge()

    assert seen == [(True,)]


def test_that_it_lives_is_not_said_for_each_delivery(
    conn: Connection, hubspot: Source
) -> None:
    """There may be a hundred thousand."""
    for n in range(3):
        deliver(conn, event(n, number=n))
    beats: list[bool] = []

    inbox.explode_deliveries(
        conn, WebhookRequest(hubspot, "hubspot"), lambda: beats.append(True)
    )

    assert beats == []
