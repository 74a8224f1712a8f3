"""``make demo``: a stack from nothing, sandbox CRMs, every DAG run once, webhooks.

On a terminal the stack stays until Ctrl-C, so that one can look around; elsewhere it
ends with the command, whose exit status says whether every run was green.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import psycopg

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Source
from include.local_stack import demo_guard, demo_report
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_runs import Runs, explain_failures, run_all
from include.local_stack.demo_sandbox import sandbox_sources, with_sandbox
from include.local_stack.demo_screen import Screen
from include.local_stack.demo_ways import ENTITY, SOURCE, run_ways
from include.local_stack.demo_webhooks import Round, run_round
from include.local_stack.errors import StackError
from include.local_stack.readable_sources import readable_sources
from include.local_stack.settings import from_environment
from include.local_stack.stack import ADMIN, Stack

#: Their pages, and those of their appointments, fit into the quota of an hour.
_MOST_PROSPECTS = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Returns:
        Exit status: 0 when every run is green, 1 otherwise, 130 when interrupted.
    """
    words = _parse(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _demonstrate(words.prospects, words.keep)
    except (StackError, ConfigurationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except psycopg.OperationalError as error:
        print(f"error: the warehouse does not answer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m include.local_stack.demo", description=__doc__
    )
    parser.add_argument(
        "--prospects",
        type=_count,
        default=3_000,
        metavar="N",
        help=f"prospects in the sandbox's Genius, 1 to {_MOST_PROSPECTS} (default: "
        "%(default)s); its other CRMs are in proportion",
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_PROSPECTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 1 to {_MOST_PROSPECTS}: more would not fit "
            "into an hour's quota"
        )
    return int(text)


def _demonstrate(prospects: int, keep: bool) -> int:
    settings = from_environment()
    sources = sandbox_sources(readable_sources(print))
    stack = Stack(with_sandbox(settings, sources, prospects))
    ours = demo_guard.claim(stack)
    try:
        runs, ways, rounds = _load(stack, sources)
        print(f"\n{demo_report.table(runs)}\n")
        if ways:
            print(f"The same {ENTITY} of {SOURCE} by other ways in:\n")
            print(f"{demo_report.ways_table(ways)}\n")
        if rounds:
            print("Webhooks, in events and rows; seconds from change to row:\n")
            print(f"{demo_report.webhooks_table(rounds)}\n")
        waits = ours and not keep and sys.stdout.isatty()
        if ours and not waits and not keep:
            print("While it runs (`make demo KEEP=1` leaves it up):")
        print(f"{demo_report.where_to_look(stack, runs)}\n")
        if waits:
            _stay()
    finally:
        if ours and not keep:
            print(
                "Stopping the stack; its data stays.",
                flush=True,
            )
            stack.down()
    return 0 if runs.green else 1


def _load(
    stack: Stack, sources: Sequence[Source]
) -> tuple[Runs, list[dict[str, Any]], list[Round]]:
    stack.up()
    conninfo = stack.postgres().conninfo("warehouse", "crm_warehouse")
    entities = [entity for each in sources for entity in each.entities.values()]
    print(f"\nLoading {len(entities)} entities through Airflow:", flush=True)
    screen = Screen(live=sys.stdout.isatty())
    with DemoApi(stack.ui_url(), ADMIN, stack.secrets().admin_password) as api:
        runs = run_all(api, conninfo, entities, screen)
        if not runs.green:
            print(f"\n{explain_failures(api, runs)}", file=sys.stderr)
            return runs, [], []
        ways = _ways(api, stack, conninfo, sources)
        return runs, ways, _webhooks(api, stack, conninfo, sources)


def _ways(
    api: DemoApi, stack: Stack, conninfo: str, sources: Sequence[Source]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for source in sources:
        if source.name == SOURCE:
            print(f"\n{ENTITY} of {source.title} by database and by file:", flush=True)
            ports = stack.state().ports
            found += run_ways(api, stack.settings, ports, conninfo, source)
            for job in found:
                _say(f"  {job['dag_id']}: {job['status']}")
            if all(job["via"] != "csv" for job in found):
                _say("  the same file was imported before: nothing to do")
    return found


def _webhooks(
    api: DemoApi, stack: Stack, conninfo: str, sources: Sequence[Source]
) -> list[Round]:
    rounds = []
    for source in sources:
        if source.webhooks:
            print(f"\nWebhooks of {source.title}:", flush=True)
            ports = stack.state().ports
            rounds.append(run_round(api, ports, conninfo, source, _say))
    return [each for each in rounds if each]


def _say(line: str) -> None:
    print(line, flush=True)


def _stay() -> None:
    print("The stack stays until Ctrl-C.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
