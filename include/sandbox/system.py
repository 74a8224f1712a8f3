"""What every stand-in CRM has: a clock, a quota, a log, faults, tables."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from random import Random
from typing import Any, ClassVar

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError, UnknownPathError
from include.sandbox.faults import Fault, FaultBox
from include.sandbox.log import MAIN, RequestLog
from include.sandbox.messages import Answer, Request, error_answer
from include.sandbox.quota import Limit, Quota, Refusal
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
        more_limits: Name of each further quota, as settings call it -> the same.
    """

    name: str
    root: str
    limit: tuple[int, float]
    more_limits: ClassVar[Mapping[str, tuple[int, float]]] = {}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        limits = {MAIN: self.limit, **self.more_limits}
        self.quotas = {
            name: Quota(Limit(*limit, enabled=settings.quota))
            for name, limit in limits.items()
        }
        self.quota = self.quotas[MAIN]
        self.log = RequestLog()
        self.faults = FaultBox(f"{settings.seed}/{self.name}")
        self._calls = 0

    @cached_property
    def tables(self) -> dict[str, Table]:
        """By entity. Made when first asked for: not every system is used."""
        return {table.blueprint.name: table for table in self.build_tables()}

    def fill(self) -> None:
        """Make the records now, if that has not been done."""
        _ = self.tables

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

    def quotas_of(self, request: Request) -> Mapping[str, Quota]:
        """The quotas that this request counts for, in the order of asking."""
        del request
        return self.quotas

    def use_up(self, call: Mapping[str, Any]) -> None:
        """Count requests of another program that uses the account, as of now.

        Args:
            call: ``requests``, their number; ``quota``, which one they count for.

        Raises:
            BadRequestError: There is no such quota or number.
        """
        name, requests = call.get("quota", MAIN), call.get("requests", 1)
        quota = self.quotas.get(name)
        if quota is None:
            raise BadRequestError(f"no quota {name!r}: {', '.join(self.quotas)}")
        if not isinstance(requests, int) or not 0 <= requests <= quota.limit.requests:
            raise BadRequestError(f"requests: at most {quota.limit.requests}")
        now = time.monotonic()
        for _ in range(requests):
            quota.take(now)

    def is_open(self, request: Request) -> bool:
        """Whether a request needs no credentials, and no quota counts it."""
        del request
        return False

    def refuse_credentials(self, request: Request) -> Answer:
        """What a request without the right credentials is answered."""
        del request
        refusal = error_answer(401, "missing or wrong credentials")
        refusal.headers.append((b"www-authenticate", b"Bearer"))
        return refusal

    def refuse_quota(self, request: Request, refusal: Refusal) -> Answer:
        """What a request beyond a quota is answered."""
        del request
        answer = error_answer(429, "quota used up")
        answer.headers.append((b"retry-after", b"%d" % math.ceil(refusal.wait)))
        return answer

    def own_call(
        self, method: str, steps: list[str], call: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Answer an admin call that only this CRM has; None: it has no such call.

        Args:
            method: HTTP method.
            steps: Path below ``/_sandbox/<system>``.
            call: JSON body.
        """
        del method, steps, call
        return None

    def close(self) -> None:  # noqa: B027  (most have nothing to end)
        """End what runs in the background; the system is not used any more."""

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
        return {
            **{name: asdict(quota.limit) for name, quota in self.quotas.items()},
            "clock_offset_seconds": self.clock.offset_seconds,
            **self.options(),
        }

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while running.

        Raises:
            BadRequestError: There is no such setting or value.
        """
        for name, value in changes.items():
            if name in self.quotas:
                self._set_quota(name, value)
            elif name == "clock_offset_seconds":
                self.clock.offset_seconds = float(value)
            else:
                self.set_option(name, value)

    def _set_quota(self, quota: str, changes: Any) -> None:
        if not isinstance(changes, dict):
            raise BadRequestError(
                f"{quota} is an object: requests, per_seconds, enabled"
            )
        for name, value in changes.items():
            if name not in _LIMIT_TYPES or not isinstance(value, _LIMIT_TYPES[name]):
                raise BadRequestError(f"{quota}: no such setting or value: {name!r}")
            setattr(self.quotas[quota].limit, name, value)
