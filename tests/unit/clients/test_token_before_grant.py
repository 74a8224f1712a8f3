"""What is granted is sent at once: tokens are renewed before, and only then."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import pytest

from crm_warehouse.clients.auth import origin_of
from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.clients.requests_transport import RequestsTransport
from crm_warehouse.errors import AuthenticationError, CrmWarehouseError
from crm_warehouse.errors import TransientSourceError as Passing
from crm_warehouse.spec import Retry
from tests.unit.clients.recording_gate import RecordingGate
from tests.unit.clients.scripted_server import ScriptedServer, as_json


class Story(RecordingGate):
    """A gate and credentials that tell what came after what."""

    def __init__(self, *failures: CrmWarehouseError | None) -> None:
        super().__init__()
        self.events: list[str] = []
        self.failures = list(failures)
        self.is_fresh = False

    def take(self, kind: str = "") -> None:
        self.events.append("grant")
        super().take(kind)

    def headers_for(self, url: str) -> dict[str, str]:
        assert origin_of(url)
        self.ready()
        return {"Authorization": "Bearer t"}

    def ready(self) -> None:
        if not self.is_fresh:
            failure = self.failures.pop(0)
            self.events.append("refresh" if failure is None else "no token")
            if failure is not None:
                raise failure
            self.is_fresh = True

    def heard(self, moment: datetime) -> None:
        assert moment.tzinfo is not None

    def renew(self, headers: Mapping[str, str], refusals: int) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


Ask = Callable[[Story], RequestPath]


@pytest.fixture
def open_path(server: ScriptedServer) -> Iterator[Ask]:
    server.answer(as_json({}))
    transport = RequestsTransport(server.base_url, timeout_seconds=30.0)

    def build(story: Story) -> RequestPath:
        return RequestPath(
            transport,
            gate=story,
            auth=story,
            retry=Retry((1.0,) * 3),
            base_url=server.base_url,
            headers={},
            decode=decode_json,
        )

    yield build
    transport.close()


def test_a_token_is_renewed_before_the_grant(open_path: Ask) -> None:
    story = Story(None)

    answer = open_path(story).get("/users", {}, dict)

    assert story.events == ["refresh", "grant"]
    assert (answer.requests, story.tally.requests, story.tally.retries) == (1, 1, 0)


def test_without_a_token_nothing_is_sent_or_counted_as_sent(
    open_path: Ask, server: ScriptedServer
) -> None:
    story = Story(*[Passing("503")] * 3, None)
    path = open_path(story)

    answer = path.get("/users", {}, dict)

    # What cannot be had before the grant is asked for behind it, as the gate allows.
    twice = ["no token", "grant", "no token"]
    assert story.events == [*twice, "no token", "grant", "refresh"]
    assert len(server.requests) == 1
    assert (answer.requests, path.sent, story.tally.requests) == (1, 1, 1)
    assert (story.tally.retries, story.heard) == (1, ["503", "answered"])


def test_a_refusal_for_good_stops_before_the_grant(open_path: Ask) -> None:
    story = Story(AuthenticationError("authorise the app again"))

    with pytest.raises(AuthenticationError, match="authorise"):
        open_path(story).get("/users", {}, dict)

    assert story.events == ["no token"]
