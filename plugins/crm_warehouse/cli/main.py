"""Run one command."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from crm_warehouse.cli import failures, logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.local_variables import adopt_local_variables
from crm_warehouse.cli.parser import parse

#: Command -> module whose ``run`` executes it.
COMMANDS = {
    "sync": "sync",
    "webhooks merge": "webhooks",
    "webhooks list": "webhooks_list",
    "webhooks show": "webhooks_show",
    "webhooks replay": "webhooks_replay",
    "webhooks discard": "webhooks_discard",
    "erase": "erase",
    "preview": "preview",
    "validate": "validate",
    "migrate": "migrate",
    "new-source": "new_source",
    "reconcile": "reconcile",
    "forecast": "forecast",
    "maintain": "maintain",
    "quarantine list": "quarantine_list",
    "quarantine retry": "quarantine_retry",
    "rules list": "rules_list",
    "rules check": "rules_check",
    "connections export": "export",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names.

    Args:
        argv: Words behind the program's name; None takes the process's own.

    Returns:
        Exit status.

    Raises:
        SystemExit: ``--help``, or words that the parser refuses.
    """
    if sys.stdout is None:
        # The first file opened would take its place, and get what we print.
        print("error: standard output is closed; open it", file=sys.stderr)
        return Exit.USAGE
    words = parse(argv)
    logs.configure(words.log_level, words.log_format)
    try:
        adopt_local_variables(os.environ)
        status = _command(words.command)(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # whoever read it has seen enough
        return Exit.FAILED
    except (Exception, KeyboardInterrupt, failures.Terminated) as error:  # noqa: BLE001 - told below
        failure = failures.explain(error)
        failures.show(failure, error, words)
        _flush_or_discard()
        return failure.status
    return status


def _flush_or_discard() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()


def _discard_output() -> None:
    """Keep Python from complaining at exit that nobody takes the rest."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command(name: str) -> Callable[[Namespace], int]:
    module = import_module(f"crm_warehouse.cli.{COMMANDS[name]}")
    run: Callable[[Namespace], int] = module.run
    return run
