"""Keeps the parts of one stack running; started detached by ``make up``.

Its orders come as one JSON object on standard input, since they hold secrets. What
it does is in the state file; if it is killed, the parts run on, and the next
supervisor of the stack takes over exactly those.
"""

import logging
import os
import signal
import sys
import threading
import time

from include.local_stack.health import Checker
from include.local_stack.logs import tail
from include.local_stack.orders import Orders
from include.local_stack.part import Part, PostgresPart
from include.local_stack.postgres import Postgres
from include.local_stack.process_part import ProcessPart
from include.local_stack.procfs import Identity, terminate
from include.local_stack.state import PartState, State

logger = logging.getLogger("supervisor")

#: Time for an orderly end of all parts together, before they are killed.
STOP_SECONDS = 8.0
_TICK_SECONDS = 0.5
#: Once all is well, asking more often costs more than it tells.
_CALM_TICK_SECONDS = 2.0


class Supervisor:
    """The loop around the parts.

    Args:
        orders: What to run.
    """

    def __init__(self, orders: Orders) -> None:
        former = State.load(orders.state)
        self._orders = orders
        self._stop = threading.Event()
        self._saved = ""
        self._checker = Checker()
        self._server = _server(orders)
        self._parts = _parts(orders, self._server, former)
        _end_strangers(former, [part.state for part in self._parts])
        self._state = State(
            supervisor=Identity.of(os.getpid()),
            ports=orders.ports,
            parts=[part.state for part in self._parts],
        )

    def stop(self) -> None:
        """Ask the loop to end the stack."""
        self._stop.set()

    def run(self) -> int:
        """Tend the parts until told to stop, or until the start fails.

        Returns:
            Exit status: 0 after a stop, 1 after a failed start.
        """
        reason = None
        while not self._stop.is_set():
            self._round()
            reason = self._failure()
            if reason:
                break
            calm = self._state.phase == "ready" and self._all_healthy()
            self._stop.wait(_CALM_TICK_SECONDS if calm else _TICK_SECONDS)
        self._end(reason)
        return 1 if reason else 0

    def _round(self) -> None:
        self._checker.new_round()
        for part in self._parts:
            before = part.state.identity
            part.tend(self._checker)
            if part.state.identity != before:
                self._save()
            part.release()
        if self._state.phase == "starting" and self._all_healthy():
            self._state.phase = "ready"
            logger.info("all parts are healthy")
        self._save()

    def _all_healthy(self) -> bool:
        return all(part.state.health == "healthy" for part in self._parts)

    def _failure(self) -> str | None:
        if self._state.phase != "starting":
            return None
        for part in self._parts:
            if part.hopeless:
                return f"{part.hopeless}. The end of {part.log}:\n{tail(part.log)}"
        return None

    def _end(self, reason: str | None) -> None:
        self._state.phase = "stopping"
        self._save()
        running = [
            part.state.identity
            for part in self._parts
            if part.state.identity and isinstance(part, ProcessPart)
        ]
        began = time.monotonic()
        terminate(running, STOP_SECONDS)
        if self._server:
            self._server.stop()
        logger.info("all parts ended in %.1f s", time.monotonic() - began)
        for part in self._parts:
            part.state.identity = None
            part.state.health = "stopped"
        if reason:
            self._state.phase = "failed"
            self._state.message = reason
        self._save()

    def _save(self) -> None:
        text = self._state.to_json()
        if text != self._saved:
            self._state.save(self._orders.state)
            self._saved = text


def _server(orders: Orders) -> Postgres | None:
    if orders.database is None:
        return None
    told = orders.database
    # Data and roles exist by now, so no password is needed here.
    return Postgres(told.home, {}, port=told.port, log=told.log)


def _parts(orders: Orders, server: Postgres | None, former: State) -> list[Part]:
    known = {part.name: part for part in former.parts}
    parts: list[Part] = []
    if server:
        parts.append(PostgresPart(server, known.get("postgres")))
    for process in orders.processes:
        log = orders.logs / f"{process.name}.log"
        former_part = known.get(process.name)
        parts.append(ProcessPart(process, log, orders.root, former_part))
    return parts


def _end_strangers(former: State, kept: list[PartState]) -> None:
    """End what a killed supervisor left and the new orders do not know."""
    ours = {part.identity for part in kept}
    strangers = [
        part.identity
        for part in former.parts
        if part.identity and part.identity not in ours and part.name != "postgres"
    ]
    terminate(strangers, STOP_SECONDS)


def main() -> int:
    """Run with the orders on standard input."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    supervisor = Supervisor(Orders.from_json(sys.stdin.read()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
