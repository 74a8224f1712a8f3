"""A mistake of ours is told by kind and place, and never final for a source."""

import logging

import pytest

from tests.proof.hubspot_sender import EVENTS, PATH, PUBLIC_URL, SECRET, signed
from webhook_receiver.app import create_app
from webhook_receiver.delivery import Secret, Sender
from webhook_receiver.inbox import Entry, Inbox
from webhook_receiver.settings import Settings


def test_a_defect_asks_to_come_again_and_shows_no_data(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def store(_inbox: Inbox, entry: Entry) -> None:
        raise ValueError(entry.delivery.body.decode())

    monkeypatch.setattr(Inbox, "open", lambda _inbox: None)
    monkeypatch.setattr(Inbox, "store", store)
    sender = Sender((Secret(SECRET.encode()),), PUBLIC_URL)
    app = create_app(Settings("host=nowhere", False, {"hubspot": sender}, {}, 0, ()))
    with caplog.at_level(logging.INFO):
        called = {"RAW_URI": PATH}
        answer = app.test_client().post(
            PATH, data=EVENTS, headers=signed(), environ_overrides=called
        )

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert answer.get_json()["error"]["code"] == "INTERNAL_ERROR"
    assert "ValueError at " in caplog.text
    assert "canary" not in caplog.text + answer.get_data(as_text=True)
