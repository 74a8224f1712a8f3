"""An entity whose records are rows of a table, and a client of its database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_warehouse.clients.interface import Page, SourceClient, Window
from crm_warehouse.clients.tally import Tally
from crm_warehouse.databases.factory import client_factory
from crm_warehouse.spec import Entity, Retry
from crm_warehouse.ways_in import DatabaseWay
from tests.proof.house import GENIUS
from tests.proof.source_databases import SourceDatabase

SOURCE = replace(GENIUS, retry=Retry((0.01, 0.01)))


class FreeGate:
    """Tells the time; pauses are written down, and nobody waits."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.pauses: list[str] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def pause(self, seconds: float, reason: str) -> None:
        self.pauses.append(reason)


def entity_of(**way: Any) -> Entity:
    """Genius' prospects, read so."""
    return replace(GENIUS.entities["prospects"], database=DatabaseWay(**way))


def client_of(database: SourceDatabase, gate: Any = None) -> SourceClient:
    return client_factory(SOURCE, database.connection)(gate or FreeGate())


def pages_of(
    database: SourceDatabase,
    entity: Entity,
    window: Window | None = None,
    *,
    checkpoint: dict[str, Any] | None = None,
    page_size: int = 100,
) -> list[Page]:
    """All pages of a window, or everything."""
    client = client_of(database)
    try:
        return list(
            client.iter_pages(
                entity,
                window or Window(None, None),
                checkpoint=checkpoint,
                page_size=page_size,
            )
        )
    finally:
        client.close()


def records_of(
    database: SourceDatabase, entity: Entity, window: Window | None = None
) -> list[dict[str, Any]]:
    return [
        record for page in pages_of(database, entity, window) for record in page.records
    ]


def window_of(first: datetime, last: datetime) -> Window:
    return Window(first, last)


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
