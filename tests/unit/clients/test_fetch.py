"""Reading one record by id: what exists, what does not, and what is not known."""

import dataclasses

import pytest

from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.spec import Deletes
from tests.unit.clients.scripted_server import Reply, as_json


@pytest.mark.parametrize(
    ("answer", "record"),
    [
        ({"id": 7, "first_name": "Ann"}, {"id": 7, "first_name": "Ann"}),
        ({"data": {"id": 7}}, {"id": 7}),
        ({"id": 7, "data": {"id": 8}}, {"id": 7, "data": {"id": 8}}),
        ({"id": 0}, {"id": 0}),
    ],
)
def test_bare_and_in_an_envelope(client, server, entity, answer, record):
    server.answer(as_json(answer))
    assert client.fetch(entity, "7") == record
    assert server.requests[0].target == "/v1/prospects/7"


@pytest.mark.parametrize("status", [404, 410])
def test_gone(client, server, gate, entity, status):
    server.answer(Reply(status, b"<html>"))
    assert client.fetch(entity, "7") is None
    assert gate.taken == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefusedError),
        (302, RequestRefusedError),
        (403, AuthenticationError),
    ],
)
def test_a_refusal_is_no_absence(client, server, entity, status, error):
    server.answer(Reply(status))
    with pytest.raises(error):
        client.fetch(entity, "7")


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": []}, [], None, 7])
def test_an_answer_without_a_record_is_no_absence(client, server, entity, answer):
    server.run(lambda _: as_json(answer))
    with pytest.raises(TransientSourceError, match="no record with an id"):
        client.fetch(entity, "7")
    assert len(server.requests) == 5


def test_a_fault_is_repeated(client, server, entity):
    server.answer(Reply(503), as_json({"id": 7}))
    assert client.fetch(entity, "7") == {"id": 7}


@pytest.mark.parametrize(
    ("source_id", "target"),
    [
        ("a/b", "/v1/prospects/a%2Fb"),
        ("../users/1", "/v1/prospects/..%2Fusers%2F1"),
        ("7?x=1#y", "/v1/prospects/7%3Fx%3D1%23y"),
        ("é 7", "/v1/prospects/%C3%A9%207"),
        ("%2e%2e", "/v1/prospects/%252e%252e"),
        ("{id}", "/v1/prospects/%7Bid%7D"),
        ("...", "/v1/prospects/..."),
    ],
)
def test_ids_are_quoted(client, server, entity, source_id, target):
    server.answer(Reply(404))
    assert client.fetch(entity, source_id) is None
    assert server.requests[0].target == target


@pytest.mark.parametrize("source_id", ["", ".", "..", "\ud800"])
def test_ids_that_no_address_can_hold_are_not_known(client, server, entity, source_id):
    with pytest.raises(SourceError, match="cannot be asked for") as caught:
        client.fetch(entity, source_id)
    str(caught.value).encode()
    assert server.requests == []


def test_an_entity_without_a_path_for_one_record(client, entity):
    without = dataclasses.replace(entity, deletes=Deletes(None, 0.2))
    with pytest.raises(ConfigurationError, match=r"prospects has no deletes\.confirm"):
        client.fetch(without, "7")
