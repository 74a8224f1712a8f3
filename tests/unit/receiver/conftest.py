"""Receivers for tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.proof.receiver_process import HUBSPOT, Receiver, Start, started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a receiver; the arguments are those of ``started``, without the log."""
    with ExitStack() as receivers:

        def begin(
            conninfo: str, hubspot: dict[str, Any] | None = HUBSPOT, **options: Any
        ) -> Receiver:
            log = tmp_path / f"receiver-{len(list(tmp_path.iterdir()))}.log"
            return receivers.enter_context(started(conninfo, hubspot, log, **options))

        yield begin


@pytest.fixture
def receiver(start: Start, warehouse: str) -> Receiver:
    """A ready receiver on the test's own warehouse."""
    return start(warehouse)
