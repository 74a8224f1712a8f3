"""``make demo`` as a script runs it: from nothing to a table, and nothing left."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.source_files import default_directory, load_sources
from include.local_stack.procfs import Identity
from tests.proof.command import ROOT

pytestmark = pytest.mark.end_to_end

_SECONDS = 300.0
#: Of the table of what was loaded.
_COLUMNS = 10
_OTHERS = ("AIRFLOW", "CRM_")


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder that the database's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="crm-demo-"))
    folder.chmod(0o755)
    yield folder / "var"
    shutil.rmtree(folder)


def _environment(var: Path) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(_OTHERS)}
    return {**env, "CRM_STACK_VAR": str(var)}


def _running(var: Path) -> list[int]:
    """Processes that name the folder in their words or environment."""
    word = os.fsencode(var)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                said = (entry / "cmdline").read_bytes() + (
                    entry / "environ"
                ).read_bytes()
            except OSError:
                continue
            identity = Identity.of(int(entry.name))
            if word in said and identity and identity.alive():
                found.append(identity.pid)
    return found


def test_demo_loads_all_shows_it_and_leaves_nothing_running(var: Path) -> None:
    demo = [sys.executable, "-m", "include.local_stack.demo", "--prospects", "300"]
    try:
        done = subprocess.run(
            demo,
            cwd=ROOT,
            env=_environment(var),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        left = _running(var)
    finally:
        down = [sys.executable, "-m", "include.local_stack", "down"]
        subprocess.run(down, cwd=ROOT, env=_environment(var), check=True)

    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    sources = load_sources(default_directory())
    loaded = {
        (row[0], row[1]): row
        for row in rows
        if len(row) == _COLUMNS and row[0] in sources
    }
    assert set(loaded) == {
        (source.name, entity)
        for source in sources.values()
        for entity in source.entities
    }
    for row in loaded.values():
        assert row[2] in ("success", "partial")
        assert int(row[3].replace(",", "")) > 0
    assert loaded["genius", "prospects"][3] == "300"
    assert loaded["hubspot", "contacts"][3] == "200"
    ways = {row[0]: row[1:6] for row in rows if len(row) == _COLUMNS - 1}
    for way in ("database", "csv"):
        assert ways[way] == ["success", "300", "0", "0", "300"]  # nothing new in it
    [webhooks] = [row for row in rows if row[:1] == ["hubspot"] and len(row) == 8]
    sent, received, merged, created, updated, deleted = map(int, webhooks[1:7])
    assert sent == received == merged >= 50
    # A record may be changed, and then deleted, before it is read.
    assert 40 <= created + updated + deleted <= 50
    assert done.stderr == ""
    assert left == []
    assert not (var / "stack" / "state.json").exists()
    assert (var / "secrets" / "variables.json").exists()
