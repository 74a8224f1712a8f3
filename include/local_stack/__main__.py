"""``python -m include.local_stack up|down|status|logs|psql|migrate|clean``."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from crm_warehouse.errors import ConfigurationError
from include.local_stack import bootstrap, demo_mark
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST
from include.local_stack.settings import StackSettings, from_environment
from include.local_stack.stack import ADMIN, Stack
from include.local_stack.state import State


def _up(settings: StackSettings, _words: argparse.Namespace) -> int:
    demo_mark.refuse_demo(settings)
    stack = Stack(settings)
    began = time.monotonic()
    stack.up()
    print(
        f"\nUp after {time.monotonic() - began:.0f} s.\n"
        f"  UI        {stack.ui_url()}   user {ADMIN}, password in "
        f"{settings.secrets / 'airflow_passwords.json'}\n"
        f"  Database  make psql   (port {stack.state().ports['postgres']})\n"
        "  Look      make status, make logs\n"
        "  Stop      make down"
    )
    return 0


def _down(settings: StackSettings, _words: argparse.Namespace) -> int:
    print("Stopped." if Stack(settings).down() else "Nothing runs.")
    return 0


def _status(settings: StackSettings, _words: argparse.Namespace) -> int:
    state = Stack(settings).state()
    if not state.parts:
        print(f"Nothing runs. Start with {_start(settings)}.")
        return 3
    print(f"{'part':<15}{'pid':>8}  {'health':<10} {'since':<20} restarts")
    for part in state.parts:
        health = part.health if part.alive else "stopped"
        pid = part.identity.pid if part.identity and part.alive else "-"
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(part.since))
        shown = since if part.alive else "-"
        print(f"{part.name:<15}{pid:>8}  {health:<10} {shown:<20} {part.restarts}")
    return _verdict(state, _start(settings))


def _start(settings: StackSettings) -> str:
    return "`make demo`" if demo_mark.is_demo(settings) else "`make up`"


def _verdict(state: State, start: str) -> int:
    if state.phase == "failed":
        print(f"\nThe start failed: {state.message}")
    elif not state.supervised:
        print(f"\nThe supervisor is gone. {start} takes the parts over.")
    else:
        bad = [each.name for each in state.parts if each.health != "healthy"]
        return 1 if bad else 0
    return 1


def _logs(settings: StackSettings, words: argparse.Namespace) -> int:
    names = [words.part] if words.part else ["*"]
    files = sorted(path for name in names for path in settings.logs.glob(f"{name}.log"))
    if not files:
        known = ", ".join(sorted(path.stem for path in settings.logs.glob("*.log")))
        if not known:
            raise StackError(
                f"Nothing has run yet, so there are no logs in {settings.logs}. Start "
                f"with {_start(settings)}."
            )
        raise StackError(f"No log of {words.part}. There are: {known}.")
    os.execvp("tail", ["tail", "-n", "50", "-F", *map(str, files)])  # noqa: S606


def _psql(settings: StackSettings, words: argparse.Namespace) -> int:
    server = Stack(settings).postgres()
    target = f"host={HOST} port={server.port} user=crm_warehouse dbname=warehouse"
    environment = {**os.environ, "PGPASSFILE": str(settings.secrets / "pgpass")}
    psql = str(server.program("psql"))
    os.execve(psql, [psql, target, *words.rest], environment)  # noqa: S606


def _migrate(settings: StackSettings, _words: argparse.Namespace) -> int:
    stack = Stack(settings)
    settings.make_folders()
    server = stack.postgres()
    started = server.start()
    try:
        bootstrap.make_databases(server, stack.secrets().database_passwords())
        applied = bootstrap.migrate_warehouse(server)
        print("\n".join(applied) or "The warehouse is up to date.")
    finally:
        if started:
            server.stop()
    return 0


def _clean(settings: StackSettings, words: argparse.Namespace) -> int:
    if not words.yes and not _agreed(settings.var):
        raise StackError("Nothing was removed. `make clean YES=1` does not ask.")
    if settings.var.exists():
        stack = Stack(settings)
        stack.down()
        shutil.rmtree(stack.postgres().home, ignore_errors=True)
        shutil.rmtree(settings.var)
    return 0


def _agreed(var: Path) -> bool:
    if not sys.stdin.isatty():
        return False
    question = f"Remove {var} with the databases, logs and secrets in it? [y/N] "
    return input(question).strip().lower() == "y"


Command = Callable[[StackSettings, argparse.Namespace], int]
COMMANDS: dict[str, Command] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "psql": _psql,
    "migrate": _migrate,
    "clean": _clean,
}


def main() -> int:
    """Run one command; errors that a person can correct are one message."""
    parser = argparse.ArgumentParser(prog="python -m include.local_stack")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--part", help="logs: of this part only")
    parser.add_argument("--yes", action="store_true", help="clean: do not ask")
    words, rest = parser.parse_known_args()
    if rest and words.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    words.rest = rest
    try:
        return COMMANDS[words.command](from_environment(), words)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ConfigurationError as error:
        print("\n".join(f"error: {each}" for each in error.problems), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. `make status` shows what runs.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
