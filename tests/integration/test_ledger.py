"""A small ledger of webhooks: told, sent, struck, merged, and nothing is amiss."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.proof.receiver_ledger import Plan, run

_MEMORY = Path("/dev/shm")


def test_every_acknowledged_event_is_applied_once_while_processes_die(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if _MEMORY.is_dir():
        # Processes die, the power stays: what is written is as safe in memory.
        monkeypatch.setattr(tempfile, "tempdir", str(_MEMORY))
    plan = Plan(
        events=4_000,
        contacts=300,
        step=400,
        blows=4,
        kills=2,
        longest=0.2,
        stir=10,
    )

    found = run(plan)

    assert found.wrong == []
    assert found.blows == Counter(
        kill_worker=1, kill_receiver=1, reload_receiver=1, crash_database=1
    )
    assert found.merges["killed"] >= 2, found.merges
    assert sum(found.books.acknowledged) == 4_000
    kinds = {kind for kind, _ in found.books.answers}
    assert kinds == {"fresh", "again", "resent", "forged", "stale"}
