"""Invented records must not come into a warehouse that holds real ones."""

import json
from pathlib import Path

import psycopg

from include.local_stack import demo_mark
from include.local_stack.bootstrap import WAREHOUSE
from include.local_stack.demo_sandbox import SANDBOX
from include.local_stack.errors import StackError
from include.local_stack.postgres import Postgres
from include.local_stack.stack import Stack

_ELSEWHERE = "CRM_STACK_VAR=/some/folder make demo"


def claim(stack: Stack) -> bool:
    """Make sure that this stack's warehouse is the demonstration's own.

    Returns:
        Whether the stack is down, and so ours to start and to stop.

    Raises:
        StackError: It is somebody's: nothing was changed.
    """
    state = stack.state()
    if state.supervised and SANDBOX not in state.ports:
        raise StackError(
            "A stack without sandbox runs here. Stop it with `make down`, or run the "
            f"demo beside it: {_ELSEWHERE}"
        )
    stack.settings.make_folders()
    if not demo_mark.is_demo(stack.settings):
        if _is_used(stack):
            raise StackError(
                f"The warehouse in {stack.settings.var} was not made by the demo, and "
                "its records would mix with invented ones. Run the demo beside it: "
                f"{_ELSEWHERE}; or `make clean` removes that warehouse."
            )
        demo_mark.make(stack.settings)
    return not state.supervised


def _is_used(stack: Stack) -> bool:
    if _has_exports(stack.settings.var / "connections.sealed"):
        return True
    server = stack.postgres()
    if not server.data.exists():
        return False
    started = server.start()
    try:
        return _has_jobs(server)
    finally:
        if started:
            server.stop()


def _has_exports(sealed: Path) -> bool:
    """Whether the demo's own connections could take the place of real ones."""
    try:
        ids = set(json.loads(sealed.read_bytes()))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return bool(ids - {"crm_warehouse"})


def _has_jobs(server: Postgres) -> bool:
    if not server.has_database(WAREHOUSE):
        return False
    with psycopg.connect(server.conninfo(WAREHOUSE)) as conn:
        try:
            row = conn.execute("SELECT EXISTS (SELECT FROM ops.sync_jobs)").fetchone()
        except psycopg.errors.UndefinedTable:
            return False
    return bool(row and row[0])
