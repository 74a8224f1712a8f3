"""A secret changes while deliveries come in."""

import base64
import os
import signal
import time
from pathlib import Path

import pytest
from stored import bodies

from crm_warehouse.connections import Connection
from crm_warehouse.sealing import seal_connections
from tests.proof.connection import postgres_connection
from tests.proof.hubspot_sender import PUBLIC_URL, SECRET, deliver
from tests.proof.receiver_process import HUBSPOT, Start

_PATIENCE_SECONDS = 30.0


def sealed_file(folder: Path) -> tuple[Path, dict[str, str]]:
    """Where connections are sealed, and the variables that say so."""
    path = folder / "connections.sealed"
    return path, {
        "CRM_WAREHOUSE_CONNECTIONS": str(path),
        "CRM_WAREHOUSE_SEALING_KEY": base64.b64encode(b"k" * 32).decode(),
    }


def test_a_sealed_secret_changes_without_a_refused_request(
    start: Start, warehouse: str, tmp_path: Path
) -> None:
    path, env = sealed_file(tmp_path)

    def seal(*secrets: str) -> None:
        extra = {"webhook_secrets": list(secrets), "public_url": PUBLIC_URL}
        seal_connections([Connection("hubspot_default", extra=extra)], path, env)

    seal("old")
    receiver = start(warehouse, None, **env)
    assert deliver(receiver.port, b"[1]", secret="old").status == 200
    assert deliver(receiver.port, b"[2]", secret="new").status == 401

    seal("new", "old")
    os.kill(receiver.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    number = 2
    # Both kinds all the time: the old processes still know the old one alone.
    while deliver(receiver.port, b"[2]", secret="new").status != 200:
        assert time.monotonic() < deadline, receiver.log
        number += 1
        assert deliver(receiver.port, b"[%d]" % number, secret="old").status == 200
    expected = {b"[1]", b"[2]", *(b"[%d]" % each for each in range(3, number + 1))}
    assert set(bodies(warehouse)) == expected


def test_an_ended_secret_is_refused_and_one_that_will_end_is_not(
    start: Start, warehouse: str
) -> None:
    secrets = [
        {"secret": "ended", "until": "2020-01-01T00:00:00Z"},
        {"secret": "ends later", "until": "2999-01-01T00:00:00Z"},
        "the new one",
    ]
    receiver = start(warehouse, {**HUBSPOT, "webhook_secrets": secrets})

    answer = deliver(receiver.port, b"[1]", secret="ended")
    assert (answer.status, answer.code) == (401, "SIGNATURE_INVALID")
    assert deliver(receiver.port, b"[2]", secret="ends later").status == 200
    assert deliver(receiver.port, b"[3]", secret="the new one").status == 200
    assert bodies(warehouse) == [b"[2]", b"[3]"]


def test_without_an_active_secret_the_source_is_asked_to_come_again(
    start: Start, warehouse: str
) -> None:
    """That nobody put a new one in is our fault, not the source's."""
    ended = {"secret": "ended", "until": "2020-01-01T00:00:00Z"}
    receiver = start(warehouse, {**HUBSPOT, "webhook_secrets": [ended]})

    for secret in ("ended", "another"):
        answer = deliver(receiver.port, secret=secret)
        assert (answer.status, answer.code) == (503, "NOT_CONFIGURED")
        assert answer.headers["Retry-After"] == "10"
    assert bodies(warehouse) == []
    assert "hubspot: every entry of webhook_secrets has ended" in receiver.log


@pytest.mark.parametrize("change", ["another key", "a changed file"])
def test_a_secret_that_cannot_be_opened_asks_to_come_again(
    start: Start, warehouse: str, tmp_path: Path, change: str
) -> None:
    path, env = sealed_file(tmp_path)
    seal_connections([Connection("hubspot_default", extra=HUBSPOT)], path, env)
    if change == "another key":
        env["CRM_WAREHOUSE_SEALING_KEY"] = base64.b64encode(b"o" * 32).decode()
    else:
        path.write_text(path.read_text().replace('"\n}', 'AAAA"\n}'))
    receiver = start(warehouse, None, **env)

    answer = deliver(receiver.port)
    assert (answer.status, answer.code) == (503, "NOT_CONFIGURED")
    assert bodies(warehouse) == []
    assert SECRET not in receiver.log


def test_what_cannot_be_used_leaves_the_old_settings_in_force(
    start: Start, warehouse: str, tmp_path: Path
) -> None:
    path, env = sealed_file(tmp_path)
    parts = postgres_connection(warehouse)
    login, password = parts.pop("login"), parts.pop("password")
    to = Connection("crm_warehouse", **parts, login=login, password=password)
    seal_connections([to, Connection("hubspot_default", extra=HUBSPOT)], path, env)
    receiver = start(warehouse, None, AIRFLOW_CONN_CRM_WAREHOUSE="", **env)
    assert deliver(receiver.port, b"[1]").status == 200

    path.write_text("{")
    old = receiver.workers()
    os.kill(receiver.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while {*old} & {*receiver.workers()}:
        assert time.monotonic() < deadline, receiver.log
        time.sleep(0.05)
    receiver.wait_for("/readyz")
    assert deliver(receiver.port, b"[2]").status == 200
    assert "the settings stay as they were" in receiver.log
    assert bodies(warehouse) == [b"[1]", b"[2]"]


def test_what_is_wrong_with_new_settings_is_told(
    start: Start, warehouse: str, tmp_path: Path
) -> None:
    path, env = sealed_file(tmp_path)
    seal_connections([Connection("hubspot_default", extra=HUBSPOT)], path, env)
    receiver = start(warehouse, None, **env)
    told = receiver.log.count("hubspot: deliveries are answered 503")
    none = {**HUBSPOT, "webhook_secrets": []}
    seal_connections([Connection("hubspot_default", extra=none)], path, env)
    os.kill(receiver.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while receiver.log.count("hubspot: deliveries are answered 503") == told:
        assert time.monotonic() < deadline, receiver.log
        time.sleep(0.05)
    assert "needs webhook_secrets" in receiver.log
