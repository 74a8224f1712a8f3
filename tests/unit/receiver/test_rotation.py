"""A secret changes while deliveries come in."""

import base64
import os
import signal
import time
from pathlib import Path

from stored import bodies

from crm_warehouse.connections import Connection
from crm_warehouse.sealing import seal_connections
from tests.proof.hubspot_sender import PUBLIC_URL, deliver
from tests.proof.receiver_process import Start

_PATIENCE_SECONDS = 30.0


def test_a_sealed_secret_changes_without_a_refused_request(
    start: Start, warehouse: str, tmp_path: Path
) -> None:
    path = tmp_path / "connections.sealed"
    env = {
        "CRM_WAREHOUSE_CONNECTIONS": str(path),
        "CRM_WAREHOUSE_SEALING_KEY": base64.b64encode(b"k" * 32).decode(),
    }

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
