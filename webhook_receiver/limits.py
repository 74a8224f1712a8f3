"""How much a source may send, and how often an address may fail to prove itself.

All workers of a machine share the counts, so that the limits hold however many there
are (docs/decisions/0038-limits-in-shared-memory.md).
"""

import fcntl
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

from webhook_receiver.delivery import Rate, Sender, SignatureError, StaleError
from webhook_receiver.refusals import fault_of_ours
from webhook_receiver.shared_numbers import shared_numbers
from webhook_receiver.verifiers import VERIFIERS

Address = IPv4Address | IPv6Address | None

#: Wrong or stale signatures that an address may send: a wrong secret shows itself in
#: the first, and a hundred a second cost little.
FAILURES = Rate(per_second=10, burst=100)
#: So long an address that proved itself is listened to, whatever else it sends.
_TRUST_SECONDS = 3600.0
#: Addresses that are told apart. Two that share a place share a limit.
_ADDRESSES = 8192
#: Sources call from few addresses, over and over.
_REMEMBERED = 256
#: A process takes this part of a burst at once, and uses it up by itself.
_PARTS = 200
#: Room for rounding; far below a microsecond.
_ROUNDING_SECONDS = 1e-6


class Locks:
    """Locks, by number, of a process and those it forks; a killed one frees its own."""

    def __init__(self) -> None:
        # Nothing is ever in it. Without a name, it is gone with the last process.
        self._file, name = tempfile.mkstemp(prefix="crm-limits-")
        Path(name).unlink()
        # A lock of the file's is one process's, and not one thread's.
        self._threads = threading.Lock()

    @contextmanager
    def held(self, at: int) -> Iterator[None]:
        """While nobody else has the lock of this number."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, at)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, at)


class Limits:
    """The limits of a machine's receiver.

    Made before the workers are forked, which then share it.

    Args:
        sources: All there can be.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._places = {source: at for at, source in enumerate(sources)}
        self._failures = len(self._places)
        self._trust = self._failures + _ADDRESSES
        self._numbers = shared_numbers(self._trust + _ADDRESSES)
        self._locks = Locks()
        # Nobody outside can choose an address that shares another's place.
        key = os.urandom(16)
        self._place = lru_cache(_REMEMBERED)(partial(_place, key=key))
        # What this process has taken by place and not yet used.
        self._kept = [0] * len(self._places)
        self._keeper = threading.Lock()

    def take(self, source: str, sender: Sender) -> float:
        """Count a proven delivery; 0, or seconds until there is room for it."""
        place, rate = self._places[source], sender.rate
        with self._keeper:
            if self._kept[place]:
                self._kept[place] -= 1
                return 0.0
            # The lock of all processes is dear: a wide limit is taken in parts.
            for number in (max(rate.burst // _PARTS, 1), 1):
                wait = self._take(place, rate, number)
                if wait <= 0:
                    self._kept[place] = number - 1
                    break
            return wait

    def failures_left(self, address: Address) -> bool:
        """Whether what comes from there is looked at."""
        place = self._place(address)
        now = time.monotonic()
        if now < self._numbers[self._trust + place]:
            return True
        return self._wait(self._failures + place, FAILURES, now) <= 0

    def failed(self, address: Address) -> None:
        """Count a delivery from there that was not proven, or is of another time."""
        self._take(self._failures + self._place(address), FAILURES)

    def proven(self, address: Address) -> None:
        """Trust an address that sent a proven delivery."""
        at = self._trust + self._place(address)
        until = time.monotonic() + _TRUST_SECONDS
        # Eight bytes that all write alike need no lock, nor a write each time.
        if self._numbers[at] < until - _TRUST_SECONDS / 2:
            self._numbers[at] = until

    def _take(self, at: int, rate: Rate, number: int = 1) -> float:
        # The place holds the time at which all that was taken will be made up for.
        with self._locks.held(at):
            now = time.monotonic()  # one clock for all processes of the machine
            # Only a narrower rate, before a reload, leaves more than a whole burst.
            whole_burst = now + rate.burst / rate.per_second
            self._numbers[at] = min(self._numbers[at], whole_burst)
            wait = self._wait(at, rate, now, number)
            if wait > 0:
                return wait
            self._numbers[at] = max(self._numbers[at], now) + number / rate.per_second
            return 0.0

    def _wait(self, at: int, rate: Rate, now: float, number: int = 1) -> float:
        owed = max(self._numbers[at] - now, 0.0)
        return owed - (rate.burst - number) / rate.per_second - _ROUNDING_SECONDS


def _place(address: Address, *, key: bytes) -> int:
    # Whoever has one address of IPv6 has the network of them.
    if isinstance(address, IPv6Address):
        address = IPv6Network((address, 64), strict=False).network_address
    digest = blake2b(str(address).encode(), key=key, digest_size=8).digest()
    return int.from_bytes(digest, "big") % _ADDRESSES


#: Those of this machine: made when gunicorn's main process imports this module, before
#: it forks its workers.
_LIMITS = Limits(VERIFIERS)


def demand_patience(address: Address) -> None:
    """Refuse what comes from an address that failed too often.

    Raises:
        RefusalError: It is not looked at now. To come again is right all the same: the
            address may be one that a source shares with whoever failed.
    """
    if not _LIMITS.failures_left(address):
        raise fault_of_ours("TOO_MANY_FAILURES", "Too many deliveries without proof")


@contextmanager
def failures_counted(address: Address) -> Iterator[None]:
    """Remember whether what is verified here, from this address, was proven."""
    try:
        yield
    except (SignatureError, StaleError):
        _LIMITS.failed(address)
        raise
    _LIMITS.proven(address)


def demand_room(source: str, sender: Sender) -> None:
    """Count a proven delivery against its source's rate.

    Raises:
        RefusalError: There is no room for it now.
    """
    if wait := _LIMITS.take(source, sender):
        seconds = math.ceil(wait)
        raise fault_of_ours("RATE_LIMITED", "More than is taken at once", seconds)
