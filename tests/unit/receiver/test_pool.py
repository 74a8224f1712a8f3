"""Sessions at hand: used again, replaced when they have ended or are old."""

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from webhook_receiver import pool as pool_module
from webhook_receiver.pool import MOST_SESSIONS, Pool
from webhook_receiver.session import Session

_SETTINGS = Path(pool_module.__file__).with_name("gunicorn.conf.py")
_PREPARED: list[int] = []


@contextmanager
def opened(
    conninfo: str, prepare: Callable[[Session], None] | None = None
) -> Iterator[Pool]:
    _PREPARED.clear()
    pool = Pool(conninfo, prepare or _prepare)
    pool.open()
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def pool(warehouse: str) -> Iterator[Pool]:
    with opened(warehouse) as pool:
        yield pool


def _prepare(session: Session) -> None:
    _PREPARED.append(session.info.backend_pid)


def _used(pool: Pool) -> int:
    """Process, at the server, of the session that was lent."""
    with pool.session() as session:
        session.execute("SELECT 1")
        return session.info.backend_pid


def test_a_session_is_used_again_and_prepared_once(pool: Pool) -> None:
    assert {_used(pool) for _ in range(5)} == {_PREPARED[0]}
    assert len(_PREPARED) == len({*_PREPARED})


def test_two_at_once_have_one_each(pool: Pool) -> None:
    with pool.session() as one, pool.session() as other:
        assert one is not other


def test_what_a_thread_used_that_has_ended_is_there_for_the_next(pool: Pool) -> None:
    found: list[int] = []
    for _ in range(2 * MOST_SESSIONS):
        thread = threading.Thread(target=lambda: found.append(_used(pool)))
        thread.start()
        thread.join()

    assert len(found) == 2 * MOST_SESSIONS
    assert len({*found}) == 1


def test_one_that_the_server_ended_is_replaced(pool: Pool, warehouse: str) -> None:
    with pool.session() as lent:
        ended = lent.info.backend_pid
    with psycopg.connect(warehouse, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s, 60000)", (ended,))
    lent.used_at = 0.0  # long ago
    with pool.session() as session:
        # Its end was not heard of by whoever used it just before.
        assert session.info.backend_pid != ended


def test_many_that_the_server_ended_hold_up_nobody(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that all of them rest in psycopg's pool.
    monkeypatch.setattr(pool_module, "_AT_HAND_SECONDS", 0.0)
    with opened(warehouse) as pool:
        with ExitStack() as stack:
            lent = [stack.enter_context(pool.session()) for _ in range(MOST_SESSIONS)]
            ended = [each.info.backend_pid for each in lent]
        with psycopg.connect(warehouse, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM unnest(%s) AS pid",
                (ended,),
            )
        for each in lent:  # long ago
            each.used_at = 0.0
        assert _used(pool) not in ended


def test_an_old_one_is_replaced_and_the_new_one_is_prepared(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_LIFETIME_SECONDS", 0.001)
    monkeypatch.setattr(pool_module, "_AT_HAND_SECONDS", 0.0)
    with opened(warehouse) as pool:
        deadline = time.monotonic() + 60
        used = {_used(pool)}
        # The next one is opened aside: until then the old one may come once more.
        while len(used) < 3:
            assert time.monotonic() < deadline
            used.add(_used(pool))

    assert used <= {*_PREPARED}


def test_who_waits_gets_the_one_that_is_given_back(warehouse: str) -> None:
    def refuse_a_second(session: Session) -> None:
        if _PREPARED:
            raise psycopg.OperationalError
        _prepare(session)

    with opened(warehouse, refuse_a_second) as pool, ThreadPoolExecutor(1) as other:
        with pool.session():
            used = other.submit(_used, pool)
            while not pool._waiting and not used.done():
                time.sleep(0.001)
        assert used.result() == _PREPARED[0]


def test_there_is_a_session_for_each_thread_and_for_who_asks_how_we_are() -> None:
    spec = importlib.util.spec_from_file_location("gunicorn_conf", _SETTINGS)
    assert spec is not None
    assert spec.loader is not None
    settings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(settings)

    assert settings.threads + 1 == MOST_SESSIONS
