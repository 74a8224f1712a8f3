"""Reads bytes as a file of some entity, without a warehouse."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.csv_files.client import CsvClient, file_header
from crm_warehouse.csv_files.file import CsvFile, look_at
from crm_warehouse.spec import Deletes, Entity
from crm_warehouse.ways_in import CsvWay

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = CsvWay(
    columns={
        "id": ("Person ID",),
        "name": ("Full Name", "Person"),
        "amount": ("Value",),
        "changed": ("Last Modified",),
    },
    integers=("id",),
    numbers=("amount",),
    times=("changed",),
    time_formats=("%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M"),
)


class StoppedGate:
    """A gate whose clock stands."""

    def now(self) -> datetime:
        return NOW


def people(way: CsvWay = PEOPLE) -> Entity:
    return Entity(
        source="acme",
        name="people",
        aliases=(),
        into="contacts",
        path="/people",
        records_path=("data",),
        id_path=("id",),
        version_path=("changed",),
        since_param=None,
        fields=(),
        schedule=None,
        full_schedule=None,
        deletes=Deletes(None, 0.2),
        csv=way,
    )


class Reading:
    """One file of people.

    Args:
        folder: Where to write it.
        content: Its bytes.
        way: How such files are read.
    """

    def __init__(self, folder: Path, content: bytes, way: CsvWay = PEOPLE) -> None:
        path = folder / "people.csv"
        path.write_bytes(content)
        self.way = way
        self.file: CsvFile = look_at(path, way)

    def pages(self, checkpoint: Any = None) -> list[Page]:
        client: Any = CsvClient(people(self.way), self.file, StoppedGate())  # type: ignore[arg-type]
        everything = Window(None, None)
        return list(
            client.iter_pages(None, everything, checkpoint=checkpoint, page_size=1)
        )

    def records(self) -> list[Any]:
        return [record for page in self.pages() for record in page.records]

    def places(self) -> list[str]:
        return [place for page in self.pages() for place in page.places or ()]

    @property
    def keys(self) -> tuple[str, ...]:
        return file_header(people(self.way), self.file).keys

    @property
    def notes(self) -> tuple[str, ...]:
        return file_header(people(self.way), self.file).notes
