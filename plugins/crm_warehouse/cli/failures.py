"""What a failure means to the person at the terminal, and to the script around it."""

import errno
import sys
import traceback
from argparse import Namespace
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.errors import Action, ConfigurationError, CrmWarehouseError

_RESUME = "run the same command again to resume"
#: Classes of SQLSTATE that speak of the way to the server, not of its work.
_CONNECTING = ("08", "28", "3D", "57P")
#: The one that speaks of transactions that hinder each other.
_IN_THE_WAY = "40"

#: What a script is told of our errors; of all others that the command failed.
_STATUS = {Action.WAIT: Exit.WAITING, Action.SKIP: Exit.USAGE}

#: What a stream says that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, explained.

    Attributes:
        status: Exit status.
        lines: Messages, one each; free of credentials and personal data.
        unexpected: Nobody foresaw it: only a traceback says more.
    """

    status: Exit
    lines: tuple[str, ...]
    unexpected: bool = False


def raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """Signal handler: end as Ctrl-C does."""
    raise Terminated


def explain(error: BaseException) -> Failure:
    """What to tell, and which status to end with."""
    if isinstance(error, KeyboardInterrupt):
        return Failure(Exit.INTERRUPTED, (f"interrupted; {_RESUME}",))
    if isinstance(error, Terminated):
        return Failure(Exit.TERMINATED, (f"terminated; {_RESUME}",))
    if isinstance(error, ConfigurationError):
        return Failure(Exit.USAGE, error.problems)
    if isinstance(error, CrmWarehouseError):
        return Failure(_STATUS.get(error.action, Exit.FAILED), (str(error),))
    if isinstance(error, OSError) and error.errno in _FULL and not error.filename:
        text = f"the output cannot be written: {error.strerror}"
        return Failure(Exit.FAILED, (text,))
    # Whoever raised psycopg's errors has imported it; nobody else pays for that.
    psycopg: Any = sys.modules.get("psycopg")
    if psycopg and isinstance(error, psycopg.Error):
        return Failure(Exit.FAILED, (_of_warehouse(error, psycopg),))
    name = type(error).__name__
    text = f"unexpected {name}; run again with --debug to see the traceback"
    return Failure(Exit.FAILED, (text,), unexpected=True)


def show(failure: Failure, error: BaseException, words: Namespace) -> None:
    """Print the failure on standard error, in the chosen format."""
    for line in failure.lines:
        logs.complain(line)
    if words.debug:
        traceback.print_exception(error)


def _of_warehouse(error: Any, psycopg: Any) -> str:
    kind = type(error).__name__
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "a table of the warehouse is in use; try again when that has ended"
    state = error.sqlstate
    if state is not None and state.startswith(_IN_THE_WAY):
        return f"another process was in the way ({kind}); {_RESUME}"
    if isinstance(error, psycopg.OperationalError) and (
        state is None or state.startswith(_CONNECTING)
    ):
        return (
            f"cannot reach the warehouse: {_first_line(error)}; once it answers, run "
            "the same command again"
        )
    # Messages about data could hold values of people; those about the connection
    # above come from libpq and name host, port and user only.
    return (
        f"the warehouse refuses ({kind}, {state}); if its tables are old, run "
        "`python -m crm_warehouse migrate`, else --debug shows more"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
