"""What the engine and a client say to each other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.clients.tally import Tally
from crm_warehouse.spec import Entity


@dataclass(frozen=True, slots=True)
class Window:
    """The time span a job reads; fixed when the job starts, reused when it resumes.

    Attributes:
        since: Changes from this instant on, inclusive; None reads everything.
        until: The source's clock when the job began; None until the first answer.
    """

    since: datetime | None
    until: datetime | None


class Unreadable(NamedTuple):
    """What stands where a record should, and cannot be read as one.

    Attributes:
        data: What could be read of it.
        error_type: Stable word for ``ops.sync_errors.error_type``.
        message: What is wrong with it; never its values.
        source_id: Id that it seems to have, or None. So the record is not absent.
    """

    data: Any
    error_type: str
    message: str
    source_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list endpoint.

    Attributes:
        records: Records as the source sent them, in its order; values parsed from
            JSON or XML, never changed. Objects, but for what a source sends by
            mistake among them.
        observed_at: Aware instant at which the request was sent, by the gate's clock.
        source_time: The answer's ``Date`` header, or None when it has none.
        checkpoint: JSON object that ``iter_pages`` accepts to go on after this page.
        total: Records of the whole list as the source counts them, or None.
        requests: Requests this page cost, repetitions included.
        indexed: The records come from an index that may be late, so that they say
            nothing about whether a record that was deleted lives again.
        way: How they were found: in a list, or by a search, whose index may be late.
        places: Where each record stood, for people, when that is more than the place
            of the page; in the order of the records.
    """

    records: list[Any]
    observed_at: datetime
    source_time: datetime | None
    checkpoint: dict[str, Any]
    total: int | None
    requests: int
    indexed: bool = False
    way: Literal["list", "search"] = "list"
    places: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the source has under some ids.

    Attributes:
        records: The records that exist, as a page of a list has them, in any order;
            perhaps under other ids than asked for, where the source merged some.
        missing: Ids asked for that do not exist.
        observed_at: Aware instant at which the first request was sent.
        requests: Requests this cost, repetitions included.
        merged: Those of the missing that the source merged -> id of the record that
            it has in their place.
        archived: Those of the missing that the source archived -> when it did.
    """

    records: list[Any]
    missing: list[str]
    observed_at: datetime
    requests: int
    merged: dict[str, str] = field(default_factory=dict)
    archived: dict[str, datetime] = field(default_factory=dict)


class Property(NamedTuple):
    """Something that records of an entity may have, as the source describes it.

    Attributes:
        name: Its name in the records, which never changes.
        type: The source's word for its type; empty when it tells none.
        label: What people see; likewise.
    """

    name: str
    type: str
    label: str


@dataclass(frozen=True, slots=True)
class Cost:
    """The requests of one full load that meets no fault and misses no record.

    Attributes:
        records: Records that the source has; None: nobody knows.
        requests: Requests of the load, searches included; None: nobody knows.
        searches: Those of them that are searches.
        in_flight: How many of them are under way at a time.
        trip_seconds: How long an answer takes, by what finding this out took.
        spent: Requests that finding this out took.
        exact: Whether the source told the number; else it is what the warehouse holds.
    """

    records: int | None
    requests: int | None
    searches: int
    in_flight: int
    trip_seconds: float
    spent: int
    exact: bool


class Gate(Protocol):
    """The client's way to ask for quota, for time, and to be stopped.

    Attributes:
        tally: What the job's requests came to; the request path counts into it.
    """

    @property
    def tally(self) -> Tally:
        """See the class."""

    def take(self, kind: str = "") -> None:
        """Wait until one request is allowed, and count it.

        Args:
            kind: Kind of request; quotas of this kind count it beside the general.

        Raises:
            QuotaWaitError: The wait is longer than a task may hold its slot.
        """

    def now(self) -> datetime:
        """Aware UTC time of the warehouse."""

    def pause(self, seconds: float, reason: str) -> None:
        """Wait, unless the job is being stopped.

        Raises:
            WaitError: ``seconds`` is longer than a task may hold its slot.
        """

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        """Let nobody who uses the account ask before a pause is over.

        Does not wait itself; the next :meth:`take` of whoever it concerns does. Never
        shortens a longer hold.

        Args:
            seconds: Length of the pause, from now.
            reason: What the source said, for people.
            kind: Only requests of this kind; empty: every request.
        """

    def seconds_of_day_left(self) -> float | None:
        """Seconds until the account's quotas of a day begin anew; None: not known."""

    def learn(self, allowances: Sequence[Allowance]) -> None:
        """Hear what an answer tells of the account's quotas.

        Costs next to nothing when that is no news.
        """

    def answered(self) -> None:
        """Hear that the source answered, be it with a refusal.

        Costs next to nothing when that is no news.
        """

    def failed(self, reason: str) -> bool:
        """Hear that the source seems to be down; wait while nobody asks it.

        Args:
            reason: What happened, for people.

        Returns:
            Whether it was waited, so that no other pause is needed.

        Raises:
            WaitError: Nobody asks for longer than a task may hold its slot.
            TransientSourceError: The source has been down for longer than any job
                waits.
        """


class SourceClient(Protocol):
    """One API. Built per job; not shared between threads."""

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All pages of the window, or those after ``checkpoint``.

        The end is reached only when the source says so; a fault never ends a list.

        Raises:
            SourceError: After the source's retry policy is used up.
            QuotaWaitError: Quota is used up for long.
        """

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        """One record by id through ``entity.deletes.confirm_path``.

        Returns:
            The record, or None when the source says that it does not exist
            (404, 410).
        """

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """Records by id, in as few requests as the API allows.

        Raises:
            SourceError: As of :meth:`iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """

    def time_zone(self) -> str | None:
        """Name of the account's time zone, or None when it tells none.

        Raises:
            SourceError: As of :meth:`iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """

    def close(self) -> None:
        """Give back connections."""


@runtime_checkable
class PropertyReader(Protocol):
    """A client whose source describes its records."""

    def properties(self, entity: Entity) -> list[Property]:
        """What records of the entity may have, by name; asked once.

        Only of an entity with an endpoint ``properties``.

        Raises:
            SourceError: As of :meth:`SourceClient.iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """


@runtime_checkable
class AssociationReader(Protocol):
    """A client that reads which records belong to which, without the records."""

    def read_associations(
        self, entity: Entity, source_ids: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Associations of records, whose time of change they do not move.

        Returns:
            For each id, the same object as ``associations`` of a record of a page.

        Raises:
            SourceError: As of :meth:`SourceClient.iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """


@runtime_checkable
class ArchiveReader(Protocol):
    """A client of a source that keeps apart what it archived."""

    def iter_archived(self, entity: Entity) -> Iterator[dict[str, datetime]]:
        """Ids of all archived records and when they were archived, page by page.

        Nothing for an entity without an archive.

        Raises:
            SourceError: As of :meth:`SourceClient.iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """


@runtime_checkable
class CostReader(Protocol):
    """A client that can say beforehand what a full load will cost."""

    def cost(
        self, entity: Entity, page_size: int, known: int | None, *, asks: bool = True
    ) -> Cost:
        """What a full load of an entity costs, were it begun now.

        Args:
            entity: What would be loaded.
            page_size: Records that would be asked for per request.
            known: Records that the warehouse holds, for a source that tells no number.
            asks: Whether the source may be asked; else only ``known`` counts.

        Raises:
            SourceError: As of :meth:`SourceClient.iter_pages`.
            QuotaWaitError: Quota is used up for long.
        """


#: Builds the client of a job around the job's gate.
ClientFactory = Callable[[Gate], SourceClient]
