"""Sessions of the inbox: each is looked at, safe, impatient, and tells no values."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from stored import bodies, deliveries

from tests.proof.hubspot_sender import EVENTS, PATH, call, deliver, signed
from tests.proof.receiver_process import Receiver
from webhook_receiver import session as session_module
from webhook_receiver.announcer import Announcer
from webhook_receiver.delivery import Delivery
from webhook_receiver.inbox import Entry, Inbox, InboxError
from webhook_receiver.settings import Settings

#: Of a client that leaves it to the server to give up.
_PATIENT_SECONDS = 20.0
_INBOX = "staging.webhook_deliveries"
_END_SESSIONS = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE application_name = 'webhook_receiver' AND datname = current_database()
"""
#: Shows in a delivery what the session that stores it goes by.
_SHOW_SETTING = """
CREATE FUNCTION staging.show_setting() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.request_id := current_setting('synchronous_commit'); RETURN NEW; END $$;
CREATE TRIGGER show_setting BEFORE INSERT ON staging.webhook_deliveries
FOR EACH ROW EXECUTE FUNCTION staging.show_setting()
"""


@pytest.fixture
def inbox(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """An inbox that nobody looked at before it began, unlike a receiver's."""
    monkeypatch.setattr(Announcer, "announce", lambda announcer: None)
    inbox = Inbox(Settings(warehouse, False, {}, {}, 0, ()))
    with ExitStack() as ends:
        ends.callback(inbox._pool.close)
        yield inbox


def entry(body: bytes = EVENTS) -> Entry:
    delivery = Delivery("POST", b"https://hooks.example.com/", {}, body)
    key = f"key of {body.decode()}"
    return Entry("hubspot", "req", key, "application/json", {}, delivery)


def alter(warehouse: str, *statements: str) -> None:
    with psycopg.connect(warehouse, autocommit=True) as conn:
        for each in statements:
            conn.execute(each.encode())


def make_inbox(warehouse: str, kept: str) -> None:
    """``UNLOGGED``: a crash empties it; ``LOGGED``: not."""
    tables = ("staging.webhook_events", _INBOX)
    if kept == "LOGGED":
        tables = tables[::-1]
    alter(warehouse, *(f"ALTER TABLE {each} SET {kept}" for each in tables))


def test_a_database_that_became_unsafe_is_noticed_by_the_next_session(
    inbox: Inbox, warehouse: str
) -> None:
    inbox.open()
    inbox.store(entry(b"[1]"))
    make_inbox(warehouse, "UNLOGGED")
    alter(warehouse, _END_SESSIONS)
    # The first of these may meet a session that has ended.
    for _ in range(2):
        with pytest.raises(InboxError):
            inbox.store(entry(b"[2]"))
    assert bodies(warehouse) == [b"[1]"]

    make_inbox(warehouse, "LOGGED")
    stored_at_last(inbox, entry(b"[3]"))
    assert bodies(warehouse) == [b"[1]", b"[3]"]


def test_a_server_that_could_lose_rows_gets_none_even_if_no_preflight_saw_it(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server of these tests runs with fsync off.
    monkeypatch.setattr(Announcer, "announce", lambda announcer: None)
    inbox = Inbox(Settings(warehouse, True, {}, {}, 0, ()))
    inbox.open()
    try:
        with pytest.raises(InboxError):
            inbox.store(entry())
    finally:
        inbox._pool.close()
    assert bodies(warehouse) == []


def stored_at_last(inbox: Inbox, one: Entry) -> None:
    """The pool tries anew when it is asked; how soon is its business."""
    for _ in range(40):
        try:
            return inbox.store(one)
        except InboxError:
            pass
    raise AssertionError("it is never stored")


def test_the_server_gives_an_insert_up_before_the_receiver_does(
    inbox: Inbox, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivers_patience = session_module._ANSWER_SECONDS
    inbox.open()
    inbox.store(entry(b"[1]"))
    with inbox._pool.session() as session:
        (limit,) = session.execute(
            "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"
        ).fetchone() or (0,)
    assert 0 < limit < receivers_patience * 1000

    # Alone: nobody else gives up.
    monkeypatch.setattr(session_module, "_ANSWER_SECONDS", _PATIENT_SECONDS)
    with psycopg.connect(warehouse) as owner:
        owner.execute(f"LOCK TABLE {_INBOX}".encode())
        with pytest.raises(InboxError, match=r"^QueryCanceled$"):
            inbox.store(entry(b"[2]"))
    inbox.store(entry(b"[3]"))
    assert bodies(warehouse) == [b"[1]", b"[3]"]


@pytest.mark.parametrize(
    ("of_database", "of_session"),
    [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ],
)
def test_a_database_that_promises_less_is_overruled_and_a_stricter_one_is_not(
    inbox: Inbox, warehouse: str, of_database: str, of_session: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(warehouse)["dbname"]
    setting = f"ALTER DATABASE {name} SET synchronous_commit = {of_database}"
    alter(warehouse, setting, _SHOW_SETTING)
    inbox.open()
    inbox.store(entry())

    assert [row["request_id"] for row in deliveries(warehouse)] == [of_session]


def test_an_error_of_the_database_is_logged_without_its_text(
    receiver: Receiver, warehouse: str
) -> None:
    refusal = "ADD CONSTRAINT no_hook CHECK (url NOT LIKE '%hooks.example.com%')"
    alter(warehouse, f"ALTER TABLE {_INBOX} {refusal}")
    headers = signed()
    answer = call(receiver.port, "POST", PATH, headers, EVENTS)

    assert (answer.status, answer.code) == (503, "INBOX_UNAVAILABLE")
    assert "inbox: CheckViolation 23514" in receiver.log
    # It would tell the whole row.
    for secret in ("Failing row", "hooks.example.com", *_proofs(headers)):
        assert secret not in receiver.log + answer.text.decode()
    alter(warehouse, f"ALTER TABLE {_INBOX} DROP CONSTRAINT no_hook")
    assert deliver(receiver.port).status == 200


def _proofs(headers: dict[str, str]) -> list[str]:
    return [text for name, text in headers.items() if name.startswith("X-HubSpot-")]
