"""What full loads will cost, before they run: requests, time, share of the quotas."""

import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
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
from crm_warehouse.errors import ConfigurationError
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
    """

    name: str
    kind: str
    per_seconds: float
    allowed: int
    used: int
    kept: int

    @property
    def left(self) -> int:
        """Requests that a load may send before the window moves on."""
        return max(0, self.allowed - self.kept - self.used)

    def seconds_for(self, requests: int) -> float:
        """How long so many requests wait for this limit."""
        more = requests - self.left
        a_window = max(1, self.allowed - self.kept)
        return ceil(more / a_window) * self.per_seconds if more > 0 else 0.0


@dataclass(frozen=True, slots=True)
class EntityForecast:
    """What one full load will cost; see :class:`crm_warehouse.clients.interface.Cost`.

    Attributes:
        entity: Name of the entity.
        cost: Its requests.
    """

    entity: str
    cost: Cost

    def as_json(self) -> dict[str, Any]:
        """For the result line."""
        return {
            "entity": self.entity,
            "records": self.cost.records,
            "requests": self.cost.requests,
            "searches": self.cost.searches,
            "exact": self.cost.exact,
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
    def requests(self) -> int:
        """Requests of all loads."""
        return sum(each.cost.requests for each in self.entities)

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
        return self.daily.seconds_for(self.requests) if self.daily else 0.0

    @property
    def days(self) -> int:
        """Days after today in which they go on."""
        return round(self.wait_seconds / _DAY_SECONDS)

    @property
    def seconds(self) -> float:
        """How long the loads take: the slower of answers and limits, and the waits."""
        trips = sum(
            each.cost.requests * each.cost.trip_seconds / each.cost.in_flight
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
        """Requests as a share of what is left today; None: no limit of a day."""
        if self.daily is None:
            return None
        return self.requests / self.daily.left if self.daily.left else float("inf")

    def fitting(self) -> list[str]:
        """Entities that fit today one after the other, the cheapest first."""
        left = self.daily.left if self.daily else self.requests
        names = []
        for each in sorted(self.entities, key=lambda each: each.cost.requests):
            left -= each.cost.requests
            if left >= 0:
                names.append(each.entity)
        return names

    def _counted(self, standing: Standing) -> int:
        """Requests that a limit counts."""
        if not standing.kind:
            return self.requests
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

    Writes nothing but the requests that it takes itself: two an entity at most.

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
        WaitError: It may not be asked for long.
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
                found.append(
                    EntityForecast(entity.name, client.cost(entity, size, known))
                )
            standings = _standings(conn, source_system, entity)
    return Forecast(source.name, found, standings)


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
