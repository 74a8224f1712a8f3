"""A sandbox that does not come up is an error, not an endless wait."""

import sys
from pathlib import Path

import pytest

from include.sandbox import server
from include.sandbox.server import SandboxServer


@pytest.mark.parametrize(
    ("does", "message"),
    [("exec sleep 600", "said nothing for 0.5 seconds"), ("exit 3", "ended")],
)
def test_a_start_that_fails_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str, message: str
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{does}\n")
    stand_in.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    if "sleep" in does:
        monkeypatch.setattr(server, "_START_SECONDS", 0.5)
    starting = SandboxServer()

    with pytest.raises(RuntimeError, match=message):
        starting.start()

    assert starting._process is None
