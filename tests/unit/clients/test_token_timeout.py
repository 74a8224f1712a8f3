"""A token is waited for no longer than others may wait for its lock."""

from dataclasses import replace
from typing import Any

import pytest

from crm_warehouse.clients import requests_transport
from crm_warehouse.clients.registry import client_factory
from crm_warehouse.connections import Connection
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.recording_gate import RecordingGate

URL = "https://api.example.com"
EXTRA = {
    "client_id": "app",
    "client_secret": "s",
    "refresh_token": "r",
    "token_url": f"{URL}/oauth/v1/token",
}


@pytest.mark.parametrize(("timeout", "for_tokens"), [(600.0, 60.0), (20.0, 20.0)])
def test_a_token_is_waited_for_a_minute_at_most(
    monkeypatch: pytest.MonkeyPatch, timeout: float, for_tokens: float
) -> None:
    waits: dict[str, float] = {}

    class Noted(requests_transport.RequestsTransport):
        def __init__(self, base_url: str, **options: Any) -> None:
            waits[base_url] = options["timeout_seconds"]
            super().__init__(base_url, **options)

    monkeypatch.setattr(requests_transport, "RequestsTransport", Noted)
    connection = Connection("hubspot_default", host=URL, extra=EXTRA)
    source = replace(HUBSPOT, timeout_seconds=timeout)
    store: Any = None

    client_factory(source, connection, lambda: store)(RecordingGate()).close()

    assert waits == {EXTRA["token_url"]: for_tokens, URL: timeout}
