"""Whoever looks at the inbox for Prometheus holds up nobody."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from webhook_receiver.backlog import Backlog

PATIENCE_SECONDS = 20.0
_LOOKING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'webhook_receiver metrics' AND datname = current_database()
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_up(backlog: Backlog) -> float:
    [up, *_] = backlog.collect()
    return float(up.samples[0].value)


def test_a_look_without_an_answer_ends_and_keeps_nobody_waiting(warehouse: str) -> None:
    backlog = Backlog(warehouse, ["hubspot"])
    with (
        psycopg.connect(warehouse, autocommit=True) as admin,
        psycopg.connect(warehouse) as owner,
        ThreadPoolExecutor(1) as pool,
    ):

        def looking() -> list[int]:
            return [pid for (pid,) in admin.execute(_LOOKING).fetchall()]

        owner.execute("LOCK TABLE staging.webhook_deliveries")
        first = pool.submit(is_up, backlog)
        until(lambda: len(looking()) == 1)
        [pid] = looking()
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert is_up(backlog) == 0
            assert not first.done()
            assert first.result(PATIENCE_SECONDS) == 0
            assert time.monotonic() - began < PATIENCE_SECONDS
        finally:
            os.kill(pid, signal.SIGCONT)
