"""How a sync shows that it moves: a bar for people, lines for logs."""

import sys
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

from crm_warehouse.cli import logs
from crm_warehouse.engine.job import SyncResult


class Lines(AbstractContextManager["Lines"]):
    """One message for each committed chunk."""

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def show(self, so_far: SyncResult) -> None:
        """Say where the job is."""
        logs.add_context(job_id=so_far.job_id)
        if not so_far.records_received:
            return  # claimed, and nothing committed yet
        logs.logger.info(
            "committed: %d records, %d created, %d updated, %d unchanged, %d failed",
            so_far.records_processed,
            so_far.records_created,
            so_far.records_updated,
            so_far.records_unchanged,
            so_far.records_failed,
        )


class Bar(AbstractContextManager["Bar"]):
    """Records and their rate, on one line of the terminal.

    The total of a list is known to the client alone, so that nothing is 100 %.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bar: Any = None

    def __enter__(self) -> Self:
        # Only here: whoever has no terminal does not wait for its import.
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._stack.enter_context(logging_redirect_tqdm([logs.logger]))
        self._bar = self._stack.enter_context(
            tqdm(unit=" records", file=sys.stderr, dynamic_ncols=True)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state of the line."""
        self._stack.__exit__(kind, error, trace)

    def show(self, so_far: SyncResult) -> None:
        """Move the bar."""
        logs.add_context(job_id=so_far.job_id)
        self._bar.set_postfix(
            created=so_far.records_created,
            updated=so_far.records_updated,
            failed=so_far.records_failed,
            refresh=False,
        )
        self._bar.update(so_far.records_processed - self._bar.n)
