"""A migration that adds a column while a load is at work."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.engine import reading
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Entity

GENIUS = load_source(default_directory() / "genius.yaml")
#: psycopg prepares a statement that runs more often than this.
_UNPREPARED = 5


@dataclass
class LongCrm(ScriptedCrm):
    """A list of twelve pages of one record each."""

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        for number in range(1, 13):
            now = self.gate.now()
            records = [{"id": number, "first_name": f"Person {number}"}]
            yield Page(records, now, now, {"page": number}, 12, 1, way="list")


def test_a_load_goes_on_when_a_column_is_added_to_its_table(
    warehouse: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 1)
    request = SyncRequest(GENIUS, GENIUS.entities["prospects"], "genius", "full")
    chunks = []

    def migrate(so_far: SyncResult) -> None:
        chunks.append(so_far.records_processed)
        if so_far.records_processed == _UNPREPARED + 2:
            conn.execute("ALTER TABLE ops.sync_jobs ADD COLUMN later text")

    result = run_sync(
        request,
        conninfo=warehouse,
        open_client=LongCrm().open_client,
        progress=migrate,
    )

    assert chunks == list(range(13))
    assert (result.status, result.records_created) == ("success", 12)
    assert rows(conn, "SELECT count(*) FROM warehouse.contacts") == [(12,)]
