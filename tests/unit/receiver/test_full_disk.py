"""A disk without room: nothing is acknowledged that is not stored."""

import errno
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stored import bodies

from crm_warehouse.engine.migrations import migrate
from include.local_stack.postgres import Postgres
from tests.proof.hubspot_sender import deliver
from tests.proof.receiver_process import Start

#: A cluster, its programs and a few segments of its log.
_DISK_BYTES = 512 * 1024 * 1024
_BODY_BYTES = 512 * 1024
_POSTS = 40


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="crm-disk-"))
    size = f"size={_DISK_BYTES},mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", size, "none", str(folder)]
    try:
        if os.getuid() or subprocess.run(mount, check=False).returncode:
            pytest.skip("only root, where it may mount, can fill a disk of its own")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@pytest.fixture
def server(disk: Path) -> Iterator[Postgres]:
    words = {name: secrets.token_hex(16) for name in ("postgres", "crm_warehouse")}
    # Small, so that its log has no spare segments to go on with.
    small = {"min_wal_size": "32MB", "max_wal_size": "32MB", "shared_buffers": "16MB"}
    server = Postgres(disk / "postgres", words, settings=small)
    try:
        server.start()
        server.create_role("crm_warehouse", words["crm_warehouse"])
        yield server
    finally:
        server.stop()


def fill(disk: Path, room_bytes: int) -> Path:
    """Leave so much room; the file to remove for more."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(64 * 1024))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  there is no other end
        stream.truncate(ballast.stat().st_size - room_bytes)
    return ballast


@pytest.mark.parametrize("room_bytes", [0, 20 * 1024 * 1024], ids=["none", "a little"])
def test_a_full_disk_is_503_and_what_was_acknowledged_is_there(
    disk: Path, server: Postgres, start: Start, room_bytes: int
) -> None:
    server.create_database("warehouse", "crm_warehouse")
    conninfo = server.conninfo("warehouse", "crm_warehouse")
    migrate(conninfo)
    receiver = start(conninfo, CRM_WAREHOUSE_ENV="prod")
    taken, refused = [b"[0]"], 0
    assert deliver(receiver.port, b"[0]").status == 200
    ballast = fill(disk, room_bytes)
    for _ in range(_POSTS):
        body = secrets.token_hex(_BODY_BYTES // 2).encode()
        answer = deliver(receiver.port, body)
        if answer.status == 200:
            taken.append(body)
        else:
            assert (answer.status, answer.code) == (503, "INBOX_UNAVAILABLE")
            refused += 1
    assert refused
    assert receiver.get("/healthz").status == 200

    ballast.unlink()
    server.start()  # where it could not write its log
    receiver.wait_for("/readyz")
    assert deliver(receiver.port, b"[1]").status == 200
    stored = bodies(conninfo)
    assert {*taken, b"[1]"} <= {*stored}
    assert len(stored) == len({*stored})
