"""Whoever merges hears that deliveries came, whatever becomes of the announcer."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from stored import bodies

from tests.proof.hubspot_sender import EVENTS, deliver
from tests.proof.receiver_process import Start
from webhook_receiver import announcer as announcing
from webhook_receiver.announcer import Announcer
from webhook_receiver.delivery import Delivery
from webhook_receiver.inbox import Entry, Inbox
from webhook_receiver.settings import Settings

PATIENCE_SECONDS = 60.0


class Listener:
    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        conn.execute("LISTEN crm_webhooks")

    def hears(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether there is an announcement."""
        return any(self._conn.notifies(timeout=seconds, stop_after=1))

    def hears_nothing_more(self) -> bool:
        """What was sent before is here once a statement was answered."""
        self._conn.execute("SELECT 1")
        return not self.hears(0)

    def end_sessions(self) -> int:
        """End those of announcers; how many there were."""
        return self._conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'webhook_receiver announcer'"
            " AND datname = current_database()"
        ).rowcount


@pytest.fixture
def listener(warehouse: str) -> Iterator[Listener]:
    with psycopg.connect(warehouse, autocommit=True) as conn:
        yield Listener(conn)


@contextmanager
def announcer_of(conninfo: str) -> Iterator[Announcer]:
    announcer = Announcer(conninfo)
    try:
        yield announcer
    finally:
        announcer.close()


def test_every_burst_is_announced_once(warehouse: str, listener: Listener) -> None:
    with announcer_of(warehouse) as announcer:
        for _ in range(2):
            for _ in range(500):
                announcer.announce()
            assert listener.hears()
    assert listener.hears_nothing_more()


def test_nothing_is_announced_when_nothing_came(
    warehouse: str, listener: Listener
) -> None:
    with announcer_of(warehouse):
        pass
    with announcer_of(warehouse) as announcer:
        announcer.announce()
        assert listener.hears()
    assert listener.hears_nothing_more()


def test_storing_announces_nothing_itself(
    warehouse: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or each commit would wait for all others, in the whole server.
    monkeypatch.setattr(Announcer, "announce", lambda announcer: None)
    inbox = Inbox(Settings(warehouse, False, {}, {}, 0, ()))
    inbox.open()
    delivery = Delivery("POST", b"https://hooks.example.com/", {}, EVENTS)
    inbox.store(Entry("hubspot", "req", "key", "application/json", {}, delivery))
    inbox._pool.close()

    assert bodies(warehouse) == [EVENTS]
    assert listener.hears_nothing_more()


def test_what_is_due_at_the_end_is_announced(
    warehouse: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "_PAUSE_SECONDS", PATIENCE_SECONDS)
    with announcer_of(warehouse) as announcer:
        announcer.announce()
    assert listener.hears(1)


def test_a_receiver_that_ends_announces_before(
    start: Start, warehouse: str, listener: Listener
) -> None:
    receiver = start(warehouse)
    assert deliver(receiver.port).status == 200
    receiver.process.send_signal(signal.SIGTERM)
    assert receiver.wait_end() == 0

    assert listener.hears()
    assert listener.hears_nothing_more()


def test_an_announcer_whose_session_ends_takes_another(
    warehouse: str, listener: Listener
) -> None:
    with announcer_of(warehouse) as announcer:
        announcer.announce()
        assert listener.hears()
        assert listener.end_sessions() == 1

        announcer.announce()
        assert listener.hears()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_announcer_that_died_is_replaced(
    warehouse: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with announcer_of(warehouse) as announcer:
        with monkeypatch.context() as broken:
            broken.setattr(Announcer, "_tell", _die)
            announcer.announce()
            assert announcer._thread is not None
            announcer._thread.join(PATIENCE_SECONDS)
            assert not announcer._thread.is_alive()

        announcer.announce()
        assert listener.hears()


def _die(announcer: Announcer) -> bool:
    raise RuntimeError("a defect")
