"""The command line with chunks so small that a small load has several of them.

``python -m tests.proof.small_chunks <words of the command line>``. Nothing else about
the product is another: the numbers below are set before its own ``__main__`` runs.
"""

import runpy
from typing import Any

from crm_warehouse.engine import carried, read_ahead, reading, replay, webhooks

#: Records of a chunk, and of a batch of a replay.
CHUNK_RECORDS = 100
#: Records of a page; for ``--batch-size``.
PAGE_RECORDS = 25
#: Pages read ahead of the open chunk.
PAGES_AHEAD = 2
#: Events of one round of a merge of webhooks.
EVENTS = 40
#: What a kill may cost at most: the open chunk, the pages ahead, the page that is
#: just being read, and the one that tells whether the place is still the same.
ONE_CHUNK_REQUESTS = CHUNK_RECORDS // PAGE_RECORDS + PAGES_AHEAD + 2


def make_small() -> None:
    """Set the numbers."""
    _set(reading, "CHUNK_RECORDS", CHUNK_RECORDS)
    # Chunks by the clock would make commits differ from run to run.
    _set(reading, "_CHUNK_SECONDS", 3600.0)
    _set(replay, "CHUNK_RECORDS", CHUNK_RECORDS)
    _set(read_ahead, "PAGES_AHEAD", PAGES_AHEAD)
    _set(webhooks, "_BATCH", EVENTS)
    _set(carried, "_BATCH", EVENTS)


def _set(module: Any, name: str, value: float) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more"
    setattr(module, name, value)


def main() -> None:
    """Run the command line."""
    make_small()
    runpy.run_module("crm_warehouse", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
