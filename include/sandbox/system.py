"""What every stand-in CRM has: a clock, a quota, a log, faults, tables."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError, UnknownPathError
from include.sandbox.faults import Fault, FaultBox
from include.sandbox.log import RequestLog
from include.sandbox.messages import Answer, Request
from include.sandbox.quota import Limit, Quota
from include.sandbox.settings import Settings
from include.sandbox.table import Table

_LIMIT_TYPES: dict[str, type | tuple[type, ...]] = {
    "requests": int,
    "per_seconds": (int, float),
    "enabled": bool,
}


class System(ABC):
    """One CRM. A subclass speaks its API; everything else is here.

    Class attributes:
        name: First segment of its paths, and its name in admin calls.
        root: Path that the CRM's base URL ends with.
        limit: Its quota: requests, seconds.
    """

    name: str
    root: str
    limit: tuple[int, float]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        self.quota = Quota(Limit(*self.limit, enabled=settings.quota))
        self.log = RequestLog()
        self.faults = FaultBox(f"{settings.seed}/{self.name}")
        self.tables = {table.blueprint.name: table for table in self.build_tables()}
        self._calls = 0

    @abstractmethod
    def build_tables(self) -> Iterable[Table]:
        """The CRM's entities, filled."""

    @abstractmethod
    def is_authorized(self, request: Request) -> bool:
        """Whether the request carries the right credentials."""

    @abstractmethod
    def route(self, path: str) -> str:
        """The path with ``{id}`` in place of an id, for the statistics."""

    @abstractmethod
    def answer(self, request: Request, faults: list[Fault]) -> Answer:
        """Answer an authorized request.

        Args:
            request: What is asked.
            faults: Faults that strike; those about pages are the system's to act on.
        """

    def set_option(self, name: str, value: Any) -> None:
        """Set an option that only this CRM has.

        Raises:
            BadRequestError: There is no such option or value.
        """
        raise BadRequestError(f"{self.name} has no setting {name!r} (value {value!r})")

    def options(self) -> dict[str, Any]:
        """Options that only this CRM has."""
        return {}

    def table(self, entity: str) -> Table:
        """Table of an entity.

        Raises:
            UnknownPathError: There is none.
        """
        if entity not in self.tables:
            known = ", ".join(self.tables)
            raise UnknownPathError(f"{self.name} has no {entity!r}; it has {known}")
        return self.tables[entity]

    def forget_requests(self) -> None:
        """Begin the statistics anew; what the quota counts stays counted."""
        self.log = RequestLog()

    def next_rng(self) -> Random:
        """Randomness of the next admin call: by seed and number of the call."""
        self._calls += 1
        return Random(f"{self.settings.seed}/{self.name}/call/{self._calls}")

    def show_settings(self) -> dict[str, Any]:
        """Settings that :meth:`configure` accepts, as they are."""
        limit = self.quota.limit
        return {
            "quota": {
                "requests": limit.requests,
                "per_seconds": limit.per_seconds,
                "enabled": limit.enabled,
            },
            "clock_offset_seconds": self.clock.offset_seconds,
            **self.options(),
        }

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while running.

        Raises:
            BadRequestError: There is no such setting or value.
        """
        for name, value in changes.items():
            if name == "quota":
                self._set_quota(value)
            elif name == "clock_offset_seconds":
                self.clock.offset_seconds = float(value)
            else:
                self.set_option(name, value)

    def _set_quota(self, changes: Any) -> None:
        if not isinstance(changes, dict):
            raise BadRequestError("quota is an object: requests, per_seconds, enabled")
        for name, value in changes.items():
            if name not in _LIMIT_TYPES or not isinstance(value, _LIMIT_TYPES[name]):
                raise BadRequestError(f"quota: no such setting or value: {name!r}")
            setattr(self.quota.limit, name, value)
