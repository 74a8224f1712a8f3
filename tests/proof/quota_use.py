"""How a CRM's quotas were used, by the CRM's own count."""

import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from include.sandbox.server import SandboxServer

#: Seconds between two looks at what the CRMs have counted.
_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Scaled:
    """A CRM's quota, as tight as its own but faster to be used up.

    Attributes:
        system: The CRM.
        requests: Requests allowed in a window.
        seconds: Length of the window.
        people: Records of its main entity.
        quota: Its name among the CRM's settings.
    """

    system: str
    requests: int
    seconds: float
    people: int
    quota: str = "quota"


@dataclass(frozen=True)
class Use:
    """How a quota was used while there was work.

    Attributes:
        admitted: Requests that the CRM admitted, in its own count.
        refused: Requests that it refused: over one of its limits.
        most: Most requests that came within one window, refused ones included.
        share: Admitted requests of those that the limit allowed in that time.
    """

    admitted: int
    refused: int
    most: int
    share: float


def with_quotas(text: str, *quotas: str) -> str:
    """A source file with other quotas, of which nothing is kept for webhooks."""
    block = "quotas:\n" + "".join(f"  - {{{quota}}}\n" for quota in quotas)
    text = re.sub(r"^quotas:.*?\n(?=\S)", block, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^webhook_share: \S+", "webhook_share: 0", text, flags=re.MULTILINE)


class Watch:
    """Samples what CRMs have counted, until the block ends.

    Args:
        sandbox: The CRMs.
        systems: Those to look at.
    """

    def __init__(self, sandbox: SandboxServer, *systems: str) -> None:
        self._sandbox = sandbox
        self._systems = systems
        self._samples: list[tuple[float, dict[str, Any]]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_SAMPLE_SECONDS):
            stats = {name: self._sandbox.crm(name).stats() for name in self._systems}
            self._samples.append((time.monotonic(), stats))

    def use(self, scaled: Scaled) -> Use:
        """Use from the first request to the last whole window with work in it.

        Raises:
            SystemExit: There was work for fewer than three windows.
        """
        counts = [(at, stats[scaled.system]) for at, stats in self._samples]
        admitted = [(at, _admitted(stats, scaled.quota)) for at, stats in counts]
        before, total = admitted[0][1], admitted[-1][1]
        first = next((at for at, count in admitted if count > before), 0.0)
        last = next(at for at, count in admitted if count == total)
        windows = int((last - first) / scaled.seconds)
        if windows < 3:
            raise SystemExit(f"{scaled.system} had too little work: {windows} windows")
        until = first + windows * scaled.seconds
        used = max(count for at, count in admitted if at <= until) - before
        last_stats = counts[-1][1]
        most = last_stats["max_in_windows"][scaled.quota]
        share = used / (windows * scaled.requests)
        return Use(total - before, last_stats["refused"], most, share)


def _admitted(stats: dict[str, Any], quota: str) -> int:
    if quota == "quota":
        return int(stats["requests"]) - int(stats["refused"])
    routes = stats["by_route"].items()
    return sum(
        count
        for route, statuses in routes
        if route.endswith("/search")
        for status, count in statuses.items()
        if status != "429"
    )
