"""Polls of three entities, webhooks and their merges at once, over a moving source.

Records come, change, go and come back while everything reads them. In the end the
warehouse must hold what the source holds, links included, without a full load to heal.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deadline import until
from engine_load import Connection, connect, rows
from scripted_crm import Records, ScriptedCrm, deliver, event

from crm_warehouse.clients.interface import Found, Page, Window
from crm_warehouse.engine.job import SyncRequest, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity

HUBSPOT = replace(load_source(default_directory() / "hubspot.yaml"), quotas=())
#: Entity -> HubSpot's word, unified table, column with the name.
ENTITIES = {
    "contacts": ("contact", "contacts", "first_name"),
    "deals": ("deal", "leads", "name"),
    "companies": ("company", "companies", "name"),
}
_ROUNDS, _MOVES = 25, 20
_PAGE = 10


@dataclass
class MovingSource:
    """Records that change under everybody's hands."""

    rng: random.Random
    records: dict[str, Records] = field(
        default_factory=lambda: {name: {} for name in ENTITIES}
    )
    lock: threading.Lock = field(default_factory=threading.Lock)
    ticks: Iterator[int] = field(default_factory=itertools.count)

    def move(self) -> dict[str, Any]:
        """Change something; returns the event that announces it."""
        tick = next(self.ticks)
        entity = self.rng.choice(list(ENTITIES))
        # The numbers wander, so that many records are new to the warehouse.
        key = self.rng.randint(1, 25) + tick // 60
        with self.lock:
            held = self.records[entity]
            if str(key) in held and self.rng.random() < 0.5:
                del held[str(key)]
                action = "deletion"
            else:
                held[str(key)] = self._made(key, tick)
                action = "propertyChange"
        return event(key, f"{ENTITIES[entity][0]}.{action}", number=tick)

    def _made(self, key: int, tick: int) -> dict[str, Any]:
        seconds, thousandths = divmod(tick, 1000)
        contacts = self.rng.sample(range(1, 60), self.rng.randint(0, 4))
        text = f"version {tick}"
        linked = [{"id": str(each), "type_id": 3} for each in sorted(contacts)]
        return {
            "id": str(key),
            "properties": dict.fromkeys(("firstname", "dealname", "name"), text),
            "associations": {"contacts": {"results": linked}},
            "updatedAt": f"2026-02-01T00:00:{seconds:02d}.{thousandths:03d}Z",
        }


class MovingCrm(ScriptedCrm):
    """A client of it, with pages that take their time."""

    source: MovingSource

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        with self.source.lock:
            self.records = {entity.name: dict(self.source.records[entity.name])}
            return super().fetch_many(entity, source_ids)

    def iter_pages(
        self, entity: Entity, window: Window, **asked: Any
    ) -> Iterator[Page]:
        with self.source.lock:
            keys = sorted(self.source.records[entity.name], key=int)
        for place in range(0, max(1, len(keys)), _PAGE):
            now = self.gate.now()
            with self.source.lock:
                held = self.source.records[entity.name]
                page = [held[k] for k in keys[place : place + _PAGE] if k in held]
            yield Page(page, now, now, {"place": place}, None, 1)
            # As a source takes its time: what is read grows old before it is written.
            self.gate.pause(0.02, "the source thinks")


def test_the_warehouse_ends_as_the_source(warehouse: str, conn: Connection) -> None:
    source, stop = MovingSource(random.Random(11)), threading.Event()
    faults: list[Exception] = []
    merges: list[int] = []

    def client() -> MovingCrm:
        crm = MovingCrm()
        crm.source = source
        return crm

    def merge() -> None:
        merge_webhooks(
            WebhookRequest(HUBSPOT, "hubspot", override=frozenset({"mass_delete"})),
            conninfo=warehouse,
            open_client=client().open_client,
        )
        merges.append(1)

    def poll(entity: str) -> None:
        request = SyncRequest(
            HUBSPOT, HUBSPOT.entities[entity], "hubspot", mode="incremental"
        )
        run_sync(request, conninfo=warehouse, open_client=client().open_client)

    def again(work: Any, *words: str) -> None:
        while not stop.is_set():
            try:
                work(*words)
            except Exception as fault:  # noqa: BLE001  told below
                faults.append(fault)
                return

    threads = [threading.Thread(target=again, args=(merge,))]
    threads += [threading.Thread(target=again, args=(poll, name)) for name in ENTITIES]
    for thread in threads:
        thread.start()
    try:
        with connect(warehouse) as receiver:
            send(receiver, source, lambda: len(merges) + len(faults))
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    merge()

    assert faults == []
    assert_equal(conn, source)


def send(receiver: Connection, source: MovingSource, merged: Callable[[], int]) -> None:
    """Announce changes, some between any two merges."""
    for number in range(_ROUNDS):
        for _ in range(_MOVES):
            deliver(receiver, source.move())
        until(lambda least=number: merged() > least)


def assert_equal(conn: Connection, source: MovingSource) -> None:
    for entity, (_, table, column) in ENTITIES.items():
        held = rows(
            conn,
            f"SELECT source_id, {column} FROM warehouse.{table} WHERE NOT is_deleted",
        )
        assert dict(held) == {
            key: record["properties"]["name"]
            for key, record in source.records[entity].items()
        }
    assert set(
        rows(
            conn,
            "SELECT k.lead_source_id, k.contact_source_id"
            " FROM warehouse.lead_contacts k"
            " JOIN warehouse.leads l ON l.id = k.lead_id WHERE NOT l.is_deleted",
        )
    ) == {
        (key, link["id"])
        for key, record in source.records["deals"].items()
        for link in record["associations"]["contacts"]["results"]
    }
    assert rows(
        conn,
        "SELECT count(*) FROM warehouse.lead_contacts k JOIN warehouse.contacts c"
        " USING (source_system) WHERE c.source_id = k.contact_source_id"
        " AND k.contact_id IS DISTINCT FROM c.id",
    ) == [(0,)]
