"""Reads a source's own database as if it were its API: records, page by page.

No state of the database is held for long: it is read in stretches, each a short
read-only transaction that sees one state, and each begins behind the last row read.
An old snapshot would keep the server from forgetting what others have changed since.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_warehouse.clients.interface import Found, Gate, Page, Window
from crm_warehouse.clients.tally import Streak
from crm_warehouse.databases.faults import as_ours
from crm_warehouse.databases.keys import split_key
from crm_warehouse.databases.layout import Layout
from crm_warehouse.databases.server import Server
from crm_warehouse.databases.statements import (
    Part,
    Position,
    Statements,
    read_checkpoint,
)
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Source
from crm_warehouse.ways_in import DatabaseWay

#: How long one state of the database is to be held, more or less; and the bounds of
#: how many rows that may be. The first stretch is small: how fast reading goes depends
#: on who takes the pages.
_STRETCH_SECONDS = 10.0
_FIRST_ROWS, _MOST_ROWS = 10_000, 200_000
#: Ids asked for in one statement.
_IDS_AT_ONCE = 200

_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)


class DatabaseClient:
    """Client of a source's database; see :class:`SourceClient`.

    Args:
        source: Definition of the source.
        server: Its database.
        gate: Tells the time, and waits.
    """

    def __init__(self, source: Source, server: Server, gate: Gate) -> None:
        self._source = source
        self._server = server
        self._gate = gate
        # The address in it is nobody's: the server's own function connects.
        self._engine = sa.create_engine(
            f"{server.scheme}://",
            creator=server.connect,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            pool_size=1,
            poolclass=sa.QueuePool,
            pool_reset_on_return="rollback",
        )
        self._layouts: dict[str, Layout] = {}

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All rows of the window, then an empty page that has their number.

        Full loads go by key; so do tables of which nothing says when rows changed.
        Else rows without a time of change come first, the others by that time.

        Raises:
            ConfigurationError: Tables or columns are not as the source file says.
            AuthenticationError: The database refuses the login.
            TransientSourceError: It fails again and again.
        """
        way = _way(entity)
        layout = self._repeat(entity, lambda: self._layout(entity))
        clock = self._repeat(entity, self._now)
        window = window if window.until else replace(window, until=clock)
        statements = Statements(layout, window, ZoneInfo(way.time_zone))
        reading = _Reading(statements, layout, clock, page_size)
        position = read_checkpoint(checkpoint)
        if position is None or position.part not in statements.parts:
            position = Position(statements.parts[0])
        yield from self._read(entity, reading, position)

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        """One record by id; see :class:`SourceClient`."""
        found = self.fetch_many(entity, [source_id]).records
        return found[0] if found else None

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """Records by id; see :class:`SourceClient`."""
        layout = self._repeat(entity, lambda: self._layout(entity))
        begun = self._gate.now()
        numbers = [column.is_number for column in layout.keys]
        keys = {each: split_key(each, numbers) for each in source_ids}
        wanted = [key for key in keys.values() if key is not None]
        records: list[dict[str, Any]] = []
        there: set[tuple[int | str, ...]] = set()
        statements = Statements(layout, Window(None, None), ZoneInfo("UTC"))
        parts = [
            wanted[place : place + _IDS_AT_ONCE]
            for place in range(0, len(wanted), _IDS_AT_ONCE)
        ]
        for part in parts:
            rows = self._repeat(entity, lambda: self._ask(statements.by_keys(part)))  # noqa: B023  called at once
            records += [layout.record(row) for row in rows]
            there.update(layout.key_of(row) for row in rows)
        missing = [each for each, key in keys.items() if key not in there]
        return Found(records, missing, begun, requests=len(parts))

    def time_zone(self) -> None:
        """None: a database has no account whose day counts; see `SourceClient`."""

    def close(self) -> None:
        """Give back the connection."""
        self._engine.dispose()

    def _read(
        self, entity: Entity, reading: "_Reading", position: Position
    ) -> Iterator[Page]:
        """All pages behind a position; after a fault again from the last row."""
        tally = self._gate.tally
        streak = tally.begin()
        while not reading.ended:
            try:
                with closing(self._stretch(reading, position)) as pages:
                    for page, reached in pages:
                        tally.sent()
                        tally.answered()
                        position, streak = reached, tally.begin()
                        yield page
            except sa.exc.DBAPIError as error:
                self._pause(error, entity, streak)

    def _stretch(
        self, reading: "_Reading", position: Position
    ) -> Generator[tuple[Page, Position], None, None]:
        """One short transaction; it reads on to the next parts where one ends."""
        observed_at, began = self._gate.now(), time.monotonic()
        rows_left = limit = reading.limit
        with self._transaction() as conn:
            while True:
                statement = reading.statements.stretch(position, rows_left)
                for rows in self._stream(conn, statement, reading.page_size):
                    rows_left -= len(rows)
                    position = reading.position(position, rows[-1])
                    yield reading.page(rows, position, observed_at), position
                if not rows_left:
                    break
                following = reading.part_after(position.part)
                if following is None:
                    total = conn.execute(reading.statements.count()).scalar_one()
                    reading.ended = True
                    yield reading.page([], position, observed_at, total), position
                    return
                position = Position(following)
        reading.adapt(limit, time.monotonic() - began)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A connection inside a read-only transaction that sees one state."""
        with self._engine.connect() as conn:
            conn.exec_driver_sql(self._server.begin)
            try:
                yield conn
            except BaseException:
                # Nobody knows what it is doing: its server ends the transaction.
                conn.invalidate()
                raise
            conn.exec_driver_sql("ROLLBACK")

    def _stream(
        self, conn: sa.Connection, statement: sa.Select[Any], page_size: int
    ) -> Iterator[Sequence[Any]]:
        """Rows by the page; the rest stays at the server."""
        options = {"stream_results": True, "yield_per": page_size}
        with conn.execute(statement, execution_options=options) as result:
            yield from result.partitions(page_size)

    def _layout(self, entity: Entity) -> Layout:
        layout = self._layouts.get(entity.name)
        if layout is None:
            with self._engine.connect() as conn:
                layout = Layout(sa.inspect(conn), entity, self._server.id)
            self._layouts[entity.name] = layout
        return layout

    def _now(self) -> datetime:
        with self._engine.connect() as conn:
            text: str = conn.exec_driver_sql(self._server.clock).scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    def _ask(self, statement: sa.Select[Any]) -> Sequence[Any]:
        with self._transaction() as conn:
            return conn.execute(statement).all()

    def _repeat(self, entity: Entity, ask: Callable[[], _Answer]) -> _Answer:
        """Ask until there is an answer, as often as the retry policy says."""
        tally = self._gate.tally
        streak = tally.begin()
        while True:
            tally.sent()
            try:
                answer = ask()
            except sa.exc.DBAPIError as error:
                self._pause(error, entity, streak)
                continue
            tally.answered()
            return answer

    def _pause(self, error: sa.exc.DBAPIError, entity: Entity, streak: Streak) -> None:
        """Wait before the next attempt, or give up.

        Raises:
            CrmWarehouseError: Another attempt would not help, or there were enough.
        """
        ours = as_ours(error, f"{self._server.id}: {entity.name}")
        delays = self._source.retry.delays
        self._gate.tally.failed(streak, self._gate.now(), throttled=False)
        if not isinstance(ours, TransientSourceError) or streak.faults > len(delays):
            raise ours from None
        seconds = delays[streak.faults - 1]
        _log.warning("%s; going on in %.0f s", ours, seconds)
        self._engine.dispose()
        self._gate.pause(seconds, str(ours))


class _Reading:
    """What one walk through a window knows.

    Attributes:
        statements: What it asks.
        page_size: Rows of a page.
        limit: Rows of the next stretch.
        ended: Whether the last page was read.
    """

    def __init__(
        self, statements: Statements, layout: Layout, clock: datetime, page_size: int
    ) -> None:
        self.statements = statements
        self.page_size = page_size
        self.limit = max(_FIRST_ROWS, page_size)
        self.ended = False
        self._layout = layout
        self._clock = clock

    def page(
        self,
        rows: Sequence[Any],
        position: Position,
        observed_at: datetime,
        total: int | None = None,
    ) -> Page:
        """A page of rows; with the total, the last one."""
        return Page(
            records=[self._layout.record(row) for row in rows],
            observed_at=observed_at,
            source_time=self._clock,
            checkpoint=position.as_checkpoint(),
            total=total,
            requests=1,
        )

    def position(self, before: Position, row: Sequence[Any]) -> Position:
        """Where the last row of a page stands."""
        moment = None if before.part != "changed" else str(row[-1])
        return Position(before.part, moment, self._layout.key_of(row))

    def part_after(self, part: Part) -> Part | None:
        """What is read when a part has ended; None: nothing is left."""
        parts = self.statements.parts
        place = parts.index(part) + 1
        return parts[place] if place < len(parts) else None

    def adapt(self, rows: int, seconds: float) -> None:
        """Let the next stretch hold its state for about as long as it should."""
        wanted = int(rows * _STRETCH_SECONDS / max(seconds, 0.001))
        self.limit = max(self.page_size, min(wanted, _MOST_ROWS))


def _way(entity: Entity) -> DatabaseWay:
    if entity.database is None:
        raise ConfigurationError(
            f"{entity.source}: {entity.name} is not read from a database"
        )
    return entity.database
