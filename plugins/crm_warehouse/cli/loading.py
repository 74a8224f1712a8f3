"""What all commands that load share: progress, the result line, the exit status."""

import getpass
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.failures import Terminated, explain
from crm_warehouse.cli.outcome import Attempt, failed_line
from crm_warehouse.cli.progress import Bar, Lines
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.run import Progress

_STATUS = {
    "success": Exit.SUCCESS,
    "partial": Exit.PARTIAL,
    "waiting": Exit.WAITING,
}


def print_result(
    attempt: Attempt,
    load: Callable[[Attempt], SyncResult],
    as_line: Callable[[SyncResult], dict[str, Any]] = SyncResult.as_contract,
) -> int:
    """Load, and print the result as the last line of standard output.

    Args:
        attempt: This call; ``load`` fills in what it learns.
        load: Loads.
        as_line: The result as the JSON object of that line.

    Returns:
        Exit status.
    """
    try:
        result = load(attempt)
    except (Exception, KeyboardInterrupt, Terminated) as error:
        print(json.dumps(failed_line(attempt, explain(error).lines)))
        raise
    print(json.dumps(as_line(result)))
    return _STATUS[result.status]


def show_progress(
    attempt: Attempt, run: Callable[[Progress], SyncResult]
) -> SyncResult:
    """Run the engine, show how far it is, and say what its result asks for.

    Args:
        attempt: This call.
        run: Calls the engine with what it is to tell each chunk to.
    """
    with _progress() as progress:

        def note(so_far: SyncResult) -> None:
            attempt.reached = so_far
            progress.show(so_far)

        result = run(note)
    logs.add_context(job_id=result.job_id)
    _tell(result)
    return result


def user_name() -> str | None:
    """Who calls, as the operating system knows them; None: it does not."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _progress() -> AbstractContextManager[Bar | Lines]:
    return Bar() if logs.on_terminal() else Lines()


def _tell(result: SyncResult) -> None:
    if result.status == "waiting":
        logs.logger.warning(
            "waiting until %s (%s): run the same command then, or give --max-wait, to "
            "go on",
            result.resume_at,
            "; ".join(result.errors),
        )
    elif result.status == "partial":
        of = f" --entity {result.entity}" if result.mode != "webhook" else ""
        logs.logger.warning(
            "%d new rejects: python -m crm_warehouse quarantine list --source %s%s",
            result.new_rejects,
            result.source,
            of,
        )
