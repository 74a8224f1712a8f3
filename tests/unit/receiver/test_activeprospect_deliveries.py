"""ActiveProspect's deliveries: a shared secret, three kinds of bodies, no time."""

import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from stored import deliveries

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import Answer, call
from tests.proof.receiver_process import Receiver, Start, started
from webhook_receiver import activeprospect
from webhook_receiver.delivery import Delivery, Proof, Secret, Sender, SignatureError

PATH = "/api/v1/webhooks/activeprospect/"
SECRET = "canary-shared-secret"
EXTRA: dict[str, Any] = {
    "webhook_secrets": [
        SECRET,
        {"secret": "canary-ends-later", "until": "2999-01-01T00:00:00Z"},
        {"secret": "canary-ended", "until": "2020-01-01T00:00:00Z"},
    ],
    "public_url": "https://hooks.example.com",
}
BODIES = {
    "application/json": b'{"lead":{"first_name":"Canary","email":"c@example.com"}}',
    "application/x-www-form-urlencoded": b"first_name=Canary&email=c%40example.com",
    "application/xml": b"<lead><first_name>Canary</first_name></lead>",
    "text/xml; charset=ISO-8859-1": b"<lead><city>Malm\xf6</city></lead>",
}


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    name = "warehouse_activeprospect"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


def variables(**more: Any) -> dict[str, str]:
    connection = {"conn_type": "activeprospect", "extra": {**EXTRA, **more}}
    return {"AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT": json.dumps(connection)}


@pytest.fixture(scope="module")
def receiver(
    warehouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    log = tmp_path_factory.mktemp("activeprospect") / "receiver.log"
    with started(warehouse, None, log, **variables()) as one:
        yield one


def post(
    receiver: Receiver,
    body: bytes = b"{}",
    type_: str = "application/json",
    header: str = "X-API-Key",
    secret: str = SECRET,
) -> Answer:
    headers = {"Content-Type": type_, "User-Agent": "LeadConduit", header: secret}
    return call(receiver.port, "POST", PATH, headers, body)


@pytest.mark.parametrize("type_", BODIES)
def test_each_kind_of_body_is_stored_as_it_came_and_once(
    receiver: Receiver, warehouse: str, type_: str
) -> None:
    before = len(deliveries(warehouse))
    for _ in range(3):
        answer = post(receiver, BODIES[type_], type_)
        assert answer.status == 200
        assert answer.json == {
            "status": "received",
            "processed": False,
            "message": "queued",
        }
    (*_, row) = deliveries(warehouse)
    assert len(deliveries(warehouse)) == before + 1
    assert (row["source_system"], row["body"]) == ("activeprospect", BODIES[type_])
    assert row["content_type"] == type_
    # Not the header that brought the secret.
    assert row["headers"] == {"user-agent": "LeadConduit"}


@pytest.mark.parametrize("secret", [SECRET, "canary-ends-later"])
def test_each_secret_that_has_not_ended_counts(receiver: Receiver, secret: str) -> None:
    assert post(receiver, b'{"by":"a secret"}', secret=secret).status == 200


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ("", "SIGNATURE_MISSING"),
        ("  ", "SIGNATURE_MISSING"),
        ("canary-ended", "SIGNATURE_INVALID"),
        (SECRET[:-1], "SIGNATURE_INVALID"),
        (SECRET + "x", "SIGNATURE_INVALID"),
        (SECRET.upper(), "SIGNATURE_INVALID"),
        (f"{SECRET},{SECRET}", "SIGNATURE_INVALID"),
        ("\xe9" * 20, "SIGNATURE_INVALID"),
        ("a" * 8000, "SIGNATURE_INVALID"),
    ],
    ids=lambda text: text[:24],
)
def test_another_secret_leaves_nothing(
    receiver: Receiver, warehouse: str, secret: str, code: str
) -> None:
    before = len(deliveries(warehouse))
    answer = post(receiver, b'{"forged":1}', secret=secret)

    assert (answer.status, answer.code) == (401, code)
    assert len(deliveries(warehouse)) == before
    assert "canary" not in receiver.log


@pytest.mark.parametrize("type_", ["", "text/plain", "multipart/form-data", "xml"])
def test_a_type_that_it_does_not_send(receiver: Receiver, type_: str) -> None:
    answer = post(receiver, type_=type_)

    assert (answer.status, answer.code) == (415, "CONTENT_TYPE_NOT_TAKEN")


def test_the_header_can_be_another(start: Start, warehouse: str) -> None:
    receiver = start(warehouse, None, **variables(webhook_header="X-Lead-Secret"))

    assert post(receiver, header="x-lead-secret").status == 200
    answer = post(receiver)
    assert (answer.status, answer.code) == (401, "SIGNATURE_MISSING")


def check(body: bytes = b"{}", type_: str = "text/xml", given: str = "b") -> Proof:
    sender = Sender((Secret(b"a"), Secret(b"b"), Secret("ö".encode())), "")
    headers = {"x-api-key": given, "content-type": type_}
    return activeprospect.verify(Delivery("POST", b"", headers, body), sender, 0)


def test_all_secrets_are_compared_in_constant_time_and_by_one_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    compare = hmac.compare_digest

    def watched(right: bytes, given: bytes) -> bool:
        compared.append((len(right), len(given)))
        return compare(right, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    assert check(given="a")
    with pytest.raises(SignatureError):
        check(given="another")
    assert compared == [(32, 32)] * 6


def test_a_secret_that_is_not_ascii_comes_as_utf_8() -> None:
    assert check(given="ö".encode().decode("latin-1"))


def test_bytes_and_type_are_the_delivery_and_nothing_else() -> None:
    assert check().replay_key == check(given="a").replay_key
    keys = {
        check().replay_key,
        check(b"{} ").replay_key,
        check(type_="text/xml; charset=utf-8").replay_key,
        check(b"l{}", "text/xm").replay_key,
    }
    assert len(keys) == 4
