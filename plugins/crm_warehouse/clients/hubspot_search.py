"""Reading through HubSpot's search, by ascending ids, in lanes at the same time.

Each question is "of this span of time, id greater than the last one", sorted by id. So
neither the cap of 10,000 results, nor records that leave the window meanwhile, nor
thousands of one millisecond make a difference, and an id is an exact checkpoint.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from crm_warehouse.clients.crew import Crew
from crm_warehouse.clients.hubspot_batches import BATCH, key_of
from crm_warehouse.clients.hubspot_lanes import Lane, Lanes
from crm_warehouse.clients.hubspot_objects import Objects
from crm_warehouse.clients.hubspot_questions import MAX_LIMIT, Found, Questions
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import value_at
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity, Path

__all__ = ["EARLIEST", "MAX_LIMIT", "SearchWalk", "Span", "check_changed_property"]

#: The API fails when asked for changes since epoch 0.
EARLIEST = datetime(2006, 1, 1, tzinfo=UTC)
#: A walk ends that brings more than twice what was announced, and so many besides.
_SPARE_RECORDS = 10_000
#: Pages that a lane must have left to be worth cutting.
_LEAST_PAGES = 2

#: What the API calls contacts in its paths.
_CONTACTS = frozenset({"contact", "contacts", "0-1"})


def check_changed_property(entity: Entity) -> None:
    """Refuse the property that would find no change, and say so without an error.

    Contacts tell their change otherwise than all other objects, and bear both names.

    Raises:
        ConfigurationError: The source file names the wrong one.
    """
    kind = entity.path.rstrip("/").rpartition("/")[2]
    right = "lastmodifieddate" if kind in _CONTACTS else "hs_lastmodifieddate"
    if entity.since_param not in (None, right):
        raise ConfigurationError(
            f"{entity.source}: {entity.name}: since_param must be {right}: by"
            f" {entity.since_param} HubSpot's search finds no change of them"
        )


class Span(NamedTuple):
    """A closed span of source time, whole milliseconds, both ends included.

    Attributes:
        since: Beginning; None: everything, whenever it was changed.
        until: End; of everything: when the walk began.
    """

    since: datetime | None
    until: datetime


class _Heard(NamedTuple):
    """What came of a question.

    Attributes:
        answer: The answer.
        sent: Requests that it cost.
    """

    answer: Answer[Found]
    sent: int


class _Whole(NamedTuple):
    """Records of a page with all that belongs to them.

    Attributes:
        records: Those that still exist.
        sent: Requests that this cost.
    """

    records: list[Any]
    sent: int


@dataclass(slots=True)
class _Making:
    """A page whose records are being completed, in one part or several."""

    heard: _Heard
    parts: list[Future[_Whole]]

    @property
    def is_ready(self) -> bool:
        return all(part.done() for part in self.parts)


_Lane = Lane[_Heard, _Making]


class SearchWalk:
    """One walk through a window of changes, or through everything.

    Everything is found by the index, but read by id: a full load must not store what
    may be late.

    Args:
        request_path: Sends the requests.
        objects: Completes the records.
        entity: What to search; it names the properties of change and creation.
        next_path: Place of the next cursor, whose presence says that more follows.
        span: The window.
        overlap: What the next window reads again; the index may be so late.
        limit: Records to ask for per request.
        in_flight: Requests that may be under way.
    """

    def __init__(
        self,
        request_path: RequestPath,
        objects: Objects,
        entity: Entity,
        next_path: Path,
        span: Span,
        overlap: timedelta,
        limit: int,
        in_flight: int = 1,
    ) -> None:
        self._request_path = request_path
        self._objects = objects
        self._entity = entity
        self._span = span
        self._of_all = span.since is None
        # What is counted and what is not must be cut at the same millisecond.
        self._settled = _cut(span.until - overlap)
        self._limit = limit
        self._in_flight = in_flight
        #: Pages that are read and not given away; each may take two requests at once.
        self._most_pages = max(1, in_flight // 2)
        self._time = str(entity.created_param if self._of_all else entity.since_param)
        bounds = None if span.since is None else (span.since, span.until)
        self._questions = Questions(
            request_path, entity, self._time, bounds, next_path, limit
        )
        self._names: list[str] | None = None
        self._lanes: Lanes[_Heard, _Making] = Lanes(None)
        self._pages = 0
        self._sent = 0
        self._failure: BaseException | None = None
        self._alone = False
        self._announced: int | None = None
        self._came = 0

    def count(self) -> Answer[Found]:
        """How many records there are, those without a time included."""
        return self._questions.count(None)

    def pages(self, checkpoint: dict[str, Any] | None) -> Iterator[Page]:
        """Every page, or those behind the checkpoint; a last one may only count.

        Pages of a lane come in order, those of different lanes in any; each has the
        checkpoint of all that were given away.

        Raises:
            SourceError: A page could not be read, ids do not ascend, or the walk never
                ends. What was read before it was given away.
            ConfigurationError: The checkpoint is not of this walk.
        """
        sent = self._request_path.sent
        self._lanes = Lanes(checkpoint)
        self._alone = checkpoint is None
        if not self._of_all:
            names = self._objects.property_names(self._entity)
            self._names = names if self._questions.can_hold(names) else None
        else:
            self._objects.property_names(self._entity)
        self._sent = self._request_path.sent - sent
        crew = Crew(self._in_flight)
        try:
            yield from self._walk(crew)
        finally:
            crew.close()
        begin = self._span.since
        if not self._alone and (begin is None or self._settled >= begin):
            yield self._closing_count()

    def _walk(self, crew: Crew) -> Iterator[Page]:
        """Ask, hear and give away until no lane is left.

        After a failure nothing more is asked, but what is under way is waited for, and
        given away unless something before it is missing.
        """
        running: set[Future[Any]] = set()
        while self._lanes:
            # What is given away makes room for what is asked for.
            yield from self._give()
            if self._failure is None:
                running |= self._ask_on(crew)
            if not running and self._failure is not None:
                raise self._failure
            if running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= self._hear(crew, done)

    def _ask_on(self, crew: Crew) -> set[Future[Any]]:
        """Ask for as many pages as there is room for."""
        begun: set[Future[Any]] = set()
        while self._pages < self._most_pages and (lane := self._lanes.idle()):
            lane.asking = crew.start(partial(self._ask, lane))
            begun.add(lane.asking)
            self._pages += 1
        return begun

    def _ask(self, lane: _Lane) -> _Heard:
        sent = self._request_path.sent
        answer = self._questions.ask(lane.read, lane.to, self._names)
        return _Heard(answer, self._request_path.sent - sent)

    def _hear(self, crew: Crew, done: set[Future[Any]]) -> set[Future[Any]]:
        """Note the answers to questions; returns what was begun to complete them."""
        begun: set[Future[Any]] = set()
        for lane in self._lanes:
            if lane.asking in done and lane.asking is not None:
                asking, lane.asking = lane.asking, None
                try:
                    heard = asking.result()
                    self._note(lane, heard.answer.value)
                except BaseException as error:  # noqa: BLE001  raised by _walk
                    self._failure = self._failure or error
                    continue
                page = _Making(heard, self._complete(crew, heard.answer.value.records))
                lane.pages.append(page)
                begun.update(page.parts)
        return begun

    def _note(self, lane: _Lane, found: Found) -> None:
        """Move a lane on behind an answer; cut it when that pays."""
        self._bound(found)
        lane.read = found.last
        self._alone = self._alone and not found.more
        if not found.more:
            lane.ended = True
            return
        left = found.total - len(found.records)
        if self._lanes.live >= self._most_pages or left <= _LEAST_PAGES * self._limit:
            return
        first = next(filter(None, map(key_of, found.records)))
        order, count = self._questions.order, len(found.records)
        if middle := lane.middle(order, first, count, left):
            self._lanes.cut(lane, middle)

    def _bound(self, found: Found) -> None:
        """Give up on a search that would never end."""
        if self._announced is None:
            self._announced = found.total
        self._came += len(found.records)
        if self._came > 2 * self._announced + _SPARE_RECORDS:
            raise TransientSourceError(
                f"{self._entity.path}: the search announced {self._announced} records"
                f" and does not end after {self._came}"
            )

    def _complete(self, crew: Crew, records: list[Any]) -> list[Future[_Whole]]:
        """Begin to complete a page, in parts as large as a request takes."""
        size = BATCH if self._in_flight > 1 else self._limit
        parts = [records[at : at + size] for at in range(0, len(records), size)]
        return [crew.start(partial(self._completed, part)) for part in parts]

    def _completed(self, records: list[Any]) -> _Whole:
        sent = self._request_path.sent
        whole = records
        if self._names is None:
            whole = self._objects.read_again(self._entity, records)
        self._objects.finish(self._entity, whole)
        return _Whole(whole, self._request_path.sent - sent)

    def _give(self) -> Iterator[Page]:
        """Give away what is ready and has nothing missing before it."""
        for lane in self._lanes:
            while lane.may_give and lane.pages and lane.pages[0].is_ready:
                try:
                    whole = [part.result() for part in lane.pages[0].parts]
                except BaseException as error:  # noqa: BLE001  raised by _walk
                    self._failure = self._failure or error
                    break
                yield self._page(lane, lane.pages.popleft().heard, whole)
                self._pages -= 1

    def _page(self, lane: _Lane, heard: _Heard, whole: list[_Whole]) -> Page:
        answer, found = heard.answer, heard.answer.value
        records = [record for part in whole for record in part.records]
        vanished = len(found.records) - len(records)
        lane.kept = found.last
        self._lanes.beside += self._unsettled(found.records) - vanished
        self._lanes.forget_done()
        requests = self._sent + heard.sent + sum(part.sent for part in whole)
        self._sent = 0
        return Page(
            records=records,
            observed_at=answer.observed_at,
            source_time=self._source_time(answer),
            checkpoint=self._lanes.as_checkpoint(),
            total=found.total - vanished if self._alone else None,
            requests=requests,
            indexed=not self._of_all,
            way="search",
        )

    def _closing_count(self) -> Page:
        """A page without records that tells what all pages must have brought.

        Only what was changed longer ago than the index may be late is counted by the
        source: a later change may have become visible behind the walk, which is no
        loss, since the next window reads it again. What leaves the window is not
        counted either, and the next window has it.
        """
        sent = self._request_path.sent
        answer = self._questions.count(self._settled)
        return Page(
            records=[],
            observed_at=answer.observed_at,
            source_time=self._source_time(answer),
            checkpoint=self._lanes.as_checkpoint(),
            total=max(0, answer.value.total + self._lanes.beside),
            requests=self._sent + self._request_path.sent - sent,
            indexed=not self._of_all,
            way="search",
        )

    def _source_time(self, answer: Answer[Found]) -> datetime:
        """The source's clock, but never later than what was asked for."""
        return min(answer.source_time or self._span.until, self._span.until)

    def _unsettled(self, records: list[dict[str, Any]]) -> int:
        """How many are of too late a time for the closing count, by the index."""
        times = (self._time_of(record) for record in records)
        return sum(
            self._settled < time and (self._of_all or time <= self._span.until)
            for time in times
            # Any other form stays uncounted: that asks less of the walk, never more.
            if time is not None
        )

    def _time_of(self, record: Any) -> datetime | None:
        """Time by which a record is found, as the index counts; None without one."""
        try:
            time = datetime.fromisoformat(value_at(record, ("properties", self._time)))
            time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return None
        return _cut(time)


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
