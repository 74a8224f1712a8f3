"""What full loads will cost, before they run: requests, time, share of the quotas."""

import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from crm_warehouse.clients.interface import ClientFactory, Cost, CostReader
from crm_warehouse.clients.tally import Tally
from crm_warehouse.engine import settings
from crm_warehouse.engine.breaker import Breaker
from crm_warehouse.engine.gate import Patience, QuotaGate
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.job_gate import JobGate
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import ConfigurationError, MissingScopeError, WaitError
from crm_warehouse.spec import Entity, Source

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit of the account stands.

    Attributes:
        name: Its name.
        kind: Kind of request that alone counts; empty: every one.
        per_seconds: Length of its window.
        allowed: Requests in a window.
        used: Those of them that are used up now.
        kept: Those that only merges of webhooks may use.
        ends_seconds: Until nothing of what is used counts any more.
        by_zone: All of it ends then at once, at the account's midnight.
    """

    name: str
    kind: str
    per_seconds: float
    allowed: int
    used: int
    kept: int
    ends_seconds: float
    by_zone: bool

    @property
    def left(self) -> int:
        """Requests that a load may send before the window moves on."""
        return max(0, self.allowed - self.kept - self.used)

    def seconds_for(self, requests: int) -> float:
        """How long so many requests wait for this limit."""
        more = requests - self.left
        if more <= 0:
            return 0.0
        a_window = max(1, self.allowed - self.kept)
        windows, rest = divmod(more - 1, a_window)
        # Without a midnight, what is sent now ends after what was used before.
        ends_first = self.by_zone or rest < a_window - self.left
        return windows * self.per_seconds + (
            self.ends_seconds if ends_first else self.per_seconds
        )

    def windows_for(self, requests: int) -> int:
        """Windows after this one that so many requests need."""
        a_window = max(1, self.allowed - self.kept)
        return max(0, ceil((requests - self.left) / a_window))


@dataclass(frozen=True, slots=True)
class EntityForecast:
    """What one full load will cost; see :class:`crm_warehouse.clients.interface.Cost`.

    Attributes:
        entity: Name of the entity.
        cost: Its requests.
        not_asked: Why the source was not asked, so that only what the warehouse holds
            counts; None: it was.
    """

    entity: str
    cost: Cost
    not_asked: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the result line."""
        return {
            "entity": self.entity,
            "records": self.cost.records,
            "requests": self.cost.requests,
            "searches": self.cost.searches,
            "exact": self.cost.exact,
            "not_asked": self.not_asked,
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """What full loads of a source's entities will cost, one after the other.

    Attributes:
        source: Name of the source.
        entities: The loads.
        standings: The account's limits, as they stood.
    """

    source: str
    entities: Sequence[EntityForecast]
    standings: Sequence[Standing]

    @property
    def requests(self) -> int | None:
        """Requests of all loads; None: those of one cannot be told."""
        return self._least if self.is_known else None

    @property
    def is_known(self) -> bool:
        """Whether the requests of every load can be told."""
        return all(each.cost.requests is not None for each in self.entities)

    @property
    def _least(self) -> int:
        """Requests of the loads of which they can be told."""
        return sum(each.cost.requests or 0 for each in self.entities)

    @property
    def spent(self) -> int:
        """Requests that the forecast itself took."""
        return sum(each.cost.spent for each in self.entities)

    @property
    def daily(self) -> Standing | None:
        """The limit of a day that has the least left; None: there is none."""
        days = [s for s in self.standings if s.per_seconds >= _DAY_SECONDS]
        return min(days, key=lambda standing: standing.left, default=None)

    @property
    def wait_seconds(self) -> float:
        """How long the loads wait for a limit of a day."""
        return self.daily.seconds_for(self._least) if self.daily else 0.0

    @property
    def days(self) -> int:
        """Days after today in which they go on."""
        return self.daily.windows_for(self._least) if self.daily else 0

    @property
    def seconds(self) -> float | None:
        """How long the loads take: the slower of answers and limits, and the waits."""
        if not self.is_known:
            return None
        trips = sum(
            (each.cost.requests or 0) * each.cost.trip_seconds / each.cost.in_flight
            for each in self.entities
        )
        short = [
            standing.seconds_for(self._counted(standing))
            for standing in self.standings
            if standing.per_seconds < _DAY_SECONDS
        ]
        return self.wait_seconds + max([trips, *short])

    @property
    def share(self) -> float | None:
        """Requests as a share of what is left today; None: no limit, or not known."""
        if self.daily is None or self.requests is None:
            return None
        return self.requests / self.daily.left if self.daily.left else float("inf")

    def fitting(self) -> list[str]:
        """Entities that fit today one after the other, the cheapest first."""
        left = self.daily.left if self.daily else self._least
        costs = [(each.cost.requests, each.entity) for each in self.entities]
        names = []
        for requests, name in sorted((n, name) for n, name in costs if n is not None):
            left -= requests
            if left >= 0:
                names.append(name)
        return names

    def _counted(self, standing: Standing) -> int:
        """Requests that a limit counts."""
        if not standing.kind:
            return self._least
        return sum(each.cost.searches for each in self.entities)


def forecast(
    source: Source,
    entities: Iterable[Entity],
    *,
    source_system: str,
    conninfo: str,
    open_client: ClientFactory,
    batch_size: int | None = None,
    patience: Patience | None = None,
) -> Forecast:
    """Ask the source how much there is, and reckon what loading it costs.

    Writes nothing but the requests that it takes itself: two an entity at most. Where
    it may not ask, because the quota is used up, the source is down or a scope is
    missing, the records that the warehouse holds count.

    Args:
        source: Definition to run with.
        entities: What would be loaded in full.
        source_system: Instance name, whose account's quotas count.
        conninfo: libpq connection string of the warehouse.
        open_client: Builds the client around a gate.
        batch_size: Records that would be asked for per request; None: the settings'.
        patience: Longest waits for the source.

    Raises:
        ConfigurationError: The source's client cannot say beforehand.
        SourceError: The source cannot be asked.
    """
    found = []
    standings: list[Standing] = []
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for entity in entities:
            request = SyncRequest(
                source, entity, source_system, "full", batch_size=batch_size
            )
            size = settings.load(conn, request).page_size
            quota = QuotaGate(
                conninfo,
                source_system,
                source.quotas,
                threading.Event(),
                asker=entity.name,
                webhook_share=source.webhook_share,
                patience=patience,
            )
            breaker = Breaker(quota.conn, source, source_system, entity.name)
            gate = JobGate(quota, breaker, Tally())
            with closing(gate), closing(open_client(gate)) as client:
                if not isinstance(client, CostReader):
                    raise ConfigurationError(
                        f"{source.name}: its client cannot say what a load will cost"
                    )
                known = _count(conn, source_system, entity)
                found.append(_reckon(client, entity, size, known, gate.tally))
            standings = _standings(conn, source_system, entity)
    return Forecast(source.name, found, standings)


def _reckon(
    client: CostReader, entity: Entity, size: int, known: int | None, tally: Tally
) -> EntityForecast:
    try:
        return EntityForecast(entity.name, client.cost(entity, size, known))
    except (WaitError, MissingScopeError) as error:
        cost = client.cost(entity, size, known, asks=False)
        cost = replace(cost, spent=tally.requests)
        return EntityForecast(entity.name, cost, str(error))


def _count(conn: Connection, source_system: str, entity: Entity) -> int | None:
    """Records that the warehouse holds; None: never one."""
    statement = query("count_live", table=sql.Identifier(entity.raw_table))
    values = {"source_system": source_system, "most": None}
    row = conn.execute(statement, values).fetchone()
    return row[0] or None if row else None


def _standings(conn: Connection, source_system: str, entity: Entity) -> list[Standing]:
    values = {"source_system": source_system, "asker": entity.name}
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(query("forecast_quotas"), values).fetchall()
