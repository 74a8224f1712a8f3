"""Who may call from where, behind a known number of proxies."""

import json
from collections.abc import Iterator

import pytest
from stored import bodies

from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import EVENTS, PATH, Answer, call, deliver, signed
from tests.proof.receiver_process import HUBSPOT, Receiver, started
from webhook_receiver.callers import caller

NETWORKS = ["198.51.100.0/24", "2001:db8::/32"]
LIMITED = {**HUBSPOT, "allowed_networks": NETWORKS}


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    name = "warehouse_callers"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def proxied(
    warehouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    """Behind one proxy, whose part the test plays."""
    log = tmp_path_factory.mktemp("proxied") / "receiver.log"
    with started(warehouse, LIMITED, log, CRM_WAREHOUSE_PROXIES="1") as one:
        yield one


def post(receiver: Receiver, forwarded: str | None) -> Answer:
    headers = signed()
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    return call(receiver.port, "POST", PATH, headers, EVENTS)


@pytest.mark.parametrize(
    "forwarded",
    [
        "198.51.100.7",
        "2001:db8::7",
        "198.51.100.7:49152",
        "[2001:db8::7]:443",
        "::ffff:198.51.100.7",
        "203.0.113.9, 198.51.100.7",
        "nonsense,198.51.100.7",
    ],
)
def test_a_caller_of_an_allowed_network_is_taken(
    proxied: Receiver, forwarded: str
) -> None:
    assert post(proxied, forwarded).status == 200


@pytest.mark.parametrize(
    "forwarded",
    [
        "203.0.113.9",
        "198.51.100.7, 203.0.113.9",
        "2001:db8::7, 2001:db9::1",
        "203.0.113.9:80",
    ],
)
def test_what_stands_to_the_left_of_our_proxy_does_not_count(
    proxied: Receiver, warehouse: str, forwarded: str
) -> None:
    before = bodies(warehouse)
    answer = post(proxied, forwarded)

    assert (answer.status, answer.code) == (403, "ADDRESS_NOT_ALLOWED")
    assert "Retry-After" not in answer.headers
    assert bodies(warehouse) == before


@pytest.mark.parametrize(
    "forwarded", ["198.51.100.7,", "198.51.100.7, nonsense", "\xe9", "", None]
)
def test_a_caller_that_cannot_be_known_comes_again_and_is_logged(
    proxied: Receiver, warehouse: str, forwarded: str | None
) -> None:
    """It is a setting of ours that is wrong, or our own proxy."""
    stored = bodies(warehouse)
    before = proxied.log.count("cannot be known behind 1 proxies")
    answer = post(proxied, forwarded)
    assert (answer.status, answer.code) == (503, "NOT_CONFIGURED")
    assert answer.headers["Retry-After"] == "10"
    assert post(proxied, "203.0.113.9").status == 403

    assert bodies(warehouse) == stored
    assert proxied.log.count("cannot be known behind 1 proxies") == before + 1
    assert "203.0.113.9" not in proxied.log


def test_without_a_proxy_the_peer_counts_and_each_source_has_its_own_list(
    warehouse: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("direct") / "receiver.log"
    here = {**HUBSPOT, "allowed_networks": ["127.0.0.0/8"]}
    variables = {"AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT": json.dumps({"extra": LIMITED})}
    with started(warehouse, here, log, **variables) as receiver:
        assert deliver(receiver.port).status == 200
        assert post(receiver, "203.0.113.9").status == 200
        path = "/api/v1/webhooks/activeprospect/"
        spoofed = {"X-Forwarded-For": "198.51.100.7", "X-API-Key": "any"}
        answer = call(receiver.port, "POST", path, signed() | spoofed, EVENTS)
        assert (answer.status, answer.code) == (403, "ADDRESS_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("198.51.100.7", 0, "127.0.0.1"),
        ("198.51.100.7", 1, "198.51.100.7"),
        ("198.51.100.7", 2, None),
        ("203.0.113.9,198.51.100.7, 192.0.2.1", 1, "192.0.2.1"),
        ("203.0.113.9,198.51.100.7, 192.0.2.1", 2, "198.51.100.7"),
        ("", 1, None),
        (",", 2, None),
    ],
)
def test_the_outermost_of_our_proxies_names_the_caller(
    forwarded: str, proxies: int, address: str | None
) -> None:
    found = caller("127.0.0.1", forwarded, proxies)

    assert (None if found is None else str(found)) == address


def test_a_socket_of_a_file_has_no_address() -> None:
    assert caller("", "", 0) is None
