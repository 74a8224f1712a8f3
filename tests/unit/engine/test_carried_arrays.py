"""Leads that come by the thousand in one delivery are read from it once."""

from typing import Any

import pytest
from engine_load import Connection, rows
from test_carried_records import Merge, deliver, merge, source

from crm_warehouse.engine import carried
from crm_warehouse.engine.inbox import explode_deliveries
from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.spec import Source

__all__ = ["merge", "source"]


def test_a_delivery_is_read_once_however_many_rounds_its_leads_take(
    conn: Connection, merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_BATCH", 4)
    unpack, read = carried.unpack, []

    def unpack_and_note(body: bytes) -> Any:
        read.append(body)
        return unpack(body)

    monkeypatch.setattr(carried, "unpack", unpack_and_note)
    deliver(conn, *({"id": f"a{n}", "outcome": "success"} for n in range(10)))
    deliver(conn, *({"id": f"b{n}", "outcome": "success"} for n in range(10)))

    merge()

    assert len(read) == 2
    assert rows(conn, "SELECT count(*) FROM warehouse.leads") == [(20,)]


def test_of_what_was_read_one_delivery_is_remembered(
    conn: Connection, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_BATCH", 1)
    request = WebhookRequest(source, "activeprospect")
    numbers = [deliver(conn, {"id": f"a{n}"}) for n in range(2)]
    explode_deliveries(conn, request)
    last: dict[int, list[Any]] = {}

    for number in numbers:
        found = carried.pending_records(conn, request, ["leads"], last)
        assert list(last) == [number]
        conn.execute(
            "UPDATE staging.webhook_events SET state = 'merged' WHERE id = ANY(%s)",
            [found["leads"].events],
        )
