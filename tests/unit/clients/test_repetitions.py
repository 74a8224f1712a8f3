"""What repetitions tell the gate, and what they take over from earlier attempts."""

from datetime import timedelta
from typing import Any

import pytest

from crm_warehouse.clients.interface import SourceClient, Window
from crm_warehouse.clients.tally import Tally
from crm_warehouse.errors import SourceError, TransientSourceError, WaitError
from crm_warehouse.spec import Entity
from tests.unit.clients.recording_gate import START, RecordingGate
from tests.unit.clients.scripted_server import Reply, as_json, reset

GOOD = as_json({"data": [{"id": 1}], "page": 1, "total": 1, "total_pages": 1})


def first_page(client: SourceClient, entity: Entity) -> Any:
    everything = Window(None, None)
    pages = client.iter_pages(entity, everything, checkpoint=None, page_size=100)
    return next(iter(pages))


@pytest.mark.parametrize("reply", [Reply(401), Reply(404), Reply(429), Reply(408)])
def test_a_refusal_is_an_answer(client, server, gate, entity, reply):
    server.run(lambda _: reply)
    with pytest.raises(SourceError):
        first_page(client, entity)
    assert set(gate.heard) == {"answered"}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(500), "status 500"),
        (Reply(503, headers={"Retry-After": "1"}), "status 503, the source wants a"),
        (reset(), "the connection was refused or broke"),
        (Reply(200, b"<html>"), "the body is HTML or XML instead of JSON"),
        (Reply(200, b'{"error": "later"}'), "the answer holds no list"),
    ],
)
def test_signs_of_a_source_that_is_down_are_told(
    client, server, gate, entity, reply, said
):
    server.answer(reply, GOOD)
    first_page(client, entity)
    assert gate.heard[0].startswith(said)
    assert gate.heard[1:] == ["answered"]


def test_a_pause_that_the_source_asks_for_holds_everybody(client, server, gate, entity):
    server.answer(Reply(429, headers={"Retry-After": "7"}), Reply(500), GOOD)
    first_page(client, entity)
    reason = "/prospects: status 429, the source wants a pause (request 1)"
    assert gate.holds == [(7.0, reason, "")]
    assert gate.pauses == [7.0, 1.0]


def test_who_waited_for_the_breaker_asks_again_at_once(client, server, gate, entity):
    gate.failed = lambda _: gate.tally.rest(gate.now()) or True
    server.answer(*[Reply(500)] * 9, GOOD)
    assert first_page(client, entity).requests == 10
    assert gate.pauses == []
    assert (gate.tally.retries, gate.tally.faults) == (9, 0)


def test_all_is_counted_whatever_comes_of_it(client, server, gate, entity):
    server.answer(Reply(500), Reply(429), GOOD, Reply(500), Reply(404))
    first_page(client, entity)
    with pytest.raises(SourceError):
        first_page(client, entity)
    assert (gate.tally.requests, gate.tally.retries) == (5, 3)


def test_a_job_that_was_parked_goes_on_counting(client, server, gate, entity):
    gate.tally = Tally(requests=9, faults=3, faulted_at=START)
    server.run(lambda _: Reply(500))
    with pytest.raises(TransientSourceError, match="gave up after 5 requests in 10 s"):
        first_page(client, entity)
    assert gate.pauses == [8.0]
    assert len(server.requests) == 2


def test_after_an_answer_the_count_begins_anew(client, server, gate, entity):
    gate.tally = Tally(faults=4, throttles=10, faulted_at=START)
    server.answer(GOOD, *[Reply(500)] * 4, *[Reply(429)] * 3, GOOD)
    first_page(client, entity)
    assert first_page(client, entity).requests == 8


@pytest.mark.parametrize("status", [429, 500])
def test_nothing_goes_on_for_longer_than_a_day(client, server, gate, entity, status):
    almost = timedelta(hours=23, minutes=59, seconds=58.5)
    gate.tally = Tally(faulted_at=START - almost)
    server.run(lambda _: Reply(status))
    with pytest.raises(TransientSourceError, match="1 request in 23 h 59 min"):
        first_page(client, entity)
    assert len(server.requests) == 1


def test_a_pause_longer_than_a_slot_leaves_its_count(client, server, entity):
    impatient = RecordingGate(patience=5)
    client._request_path._gate = impatient
    server.answer(Reply(503, headers={"Retry-After": "60"}))
    with pytest.raises(WaitError):
        first_page(client, entity)
    tally = impatient.tally
    assert (tally.requests, tally.retries, tally.throttles) == (1, 1, 1)
