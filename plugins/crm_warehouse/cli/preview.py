"""``preview``: how records become rows, without writing anything."""

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.logs import logger
from crm_warehouse.cli.preview_record import as_json, as_text
from crm_warehouse.cli.reached import reached_entity
from crm_warehouse.clients.interface import Unreadable, Window
from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.clients.registry import client_class
from crm_warehouse.clients.rest import RestClient
from crm_warehouse.clients.tally import Tally
from crm_warehouse.csv_files.client import CsvClient, csv_way, file_header
from crm_warehouse.csv_files.file import look_at
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.errors import ConfigurationError, QuotaWaitError, SourceError
from crm_warehouse.spec import Entity, Source

_LONGEST_PAUSE_SECONDS = 60.0


def run(words: Namespace) -> int:
    """Show the first records as rows."""
    source, entity = reached_entity(words.source, words.entity)
    if words.sample is not None:
        records = _read(words.sample, source, entity)[: words.limit]
    elif words.file is not None:
        records = _read_csv(words.file, entity, words.limit)
    else:
        records = _fetch(source, entity, words.limit)
    mapping = Mapping(entity, source.region)
    shown = [as_json(mapping, record) for record in records]
    if words.json:
        head = {"source": source.name, "entity": entity.name, "into": entity.into}
        print(json.dumps({**head, "records": shown}, ensure_ascii=False))
    else:
        print("\n\n".join(as_text(record) for record in shown) or "no records")
        print(_summary(shown, entity))
    rejected = any(record["reject"] for record in shown)
    return Exit.PARTIAL if rejected else Exit.SUCCESS


def _read(path: Path, source: Source, entity: Entity) -> list[Any]:
    """Records of a file that holds what the API answers: a page, a list, a record."""
    client = client_class(source)
    try:
        decoded = client.decode(path.read_bytes())
        return _records(client, entity, decoded)
    except SourceError as error:
        raise ConfigurationError(f"--sample: {path}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"--sample: {path}: {error.strerror}") from None


def _read_csv(path: Path, entity: Entity, limit: int) -> list[Any]:
    """Records of a CSV file; a row that cannot be read is the list of its cells."""
    file = look_at(path, csv_way(entity))
    client = CsvClient(entity, file, _UncountedGate())
    for note in (*file.guessed, *file_header(entity, file).notes):
        logger.info("%s", note)
    everything = Window(since=None, until=None)
    pages = client.iter_pages(entity, everything, checkpoint=None, page_size=limit)
    records = islice((record for page in pages for record in page.records), limit)
    return [each.data if isinstance(each, Unreadable) else each for each in records]


def _records(client: type[RestClient], entity: Entity, decoded: Any) -> list[Any]:
    try:
        return client.records_of(entity, client.read_list(entity, decoded).records)
    except SourceError as error:
        no_list = error
    try:
        return [client.read_record(entity, decoded)]
    except SourceError as error:
        raise SourceError(f"{no_list}; {error}") from None


def _fetch(source: Source, entity: Entity, limit: int) -> list[Any]:
    open_client = client_factory(source)
    records: list[Any] = []
    with closing(open_client(_UncountedGate())) as client:
        pages = client.iter_pages(
            entity,
            Window(since=None, until=None),
            checkpoint=None,
            page_size=min(limit, source.paging.max_size),
        )
        for page in pages:
            records += page.records
            if len(records) >= limit:
                break
    return list(islice(records, limit))


def _summary(shown: list[dict[str, Any]], entity: Entity) -> str:
    rejected = sum(1 for record in shown if record["reject"])
    warnings = sum(len(record["warnings"]) for record in shown)
    return (
        f"\n{len(shown)} records: {len(shown) - rejected} rows of "
        f"warehouse.{entity.into}, {rejected} rejected, {warnings} warnings; "
        "nothing was written"
    )


class _UncountedGate:
    """Lets the few requests of a preview pass: counting them needs the warehouse."""

    def __init__(self) -> None:
        self.tally = Tally()

    def take(self, kind: str = "") -> None:
        """Allow the request."""

    def now(self) -> datetime:
        """Aware UTC time of this machine."""
        return datetime.now(UTC)

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before a repetition, unless that takes too long for a preview."""
        if seconds > _LONGEST_PAUSE_SECONDS:
            raise QuotaWaitError(self.now() + timedelta(seconds=seconds), reason)
        time.sleep(seconds)

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        """Tell nobody: that needs the warehouse."""

    def seconds_of_day_left(self) -> float | None:
        """Not known here."""

    def learn(self, allowances: Sequence[Allowance]) -> None:
        """Nothing is counted."""

    def answered(self) -> None:
        """No news."""

    def failed(self, reason: str) -> bool:  # noqa: ARG002
        """No others ask, so that there is nobody to wait for."""
        return False
