"""What was loaded, and where to look at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.local_stack.demo_runs import Runs
from include.local_stack.demo_webhooks import Round
from include.local_stack.settings import ROOT, StackSettings
from include.local_stack.stack import ADMIN, Stack

_COUNTERS = ("processed", "created", "updated", "unchanged", "failed")
_HEADS = ("source", "entity", "status", *_COUNTERS, "warnings", "seconds")
_TEXT_COLUMNS = 3
_WEBHOOK_HEADS = (
    *("source", "sent", "received", "merged", "created", "updated", "deleted"),
    "seconds",
)


def table(runs: Runs) -> str:
    """One line for each run, in columns; dashes where no job was begun."""
    begun = {job["dag_id"] for job in runs.jobs}
    rows = [_HEADS, *(_cells(job) for job in runs.jobs)]
    rows += [_empty(dag_id, runs) for dag_id in runs.states if dag_id not in begun]
    return _columns(rows, _TEXT_COLUMNS)


def ways_table(jobs: Sequence[dict[str, Any]]) -> str:
    """One line for each job of another way in, in columns."""
    heads = ("way in", "status", *_COUNTERS, "warnings", "seconds")
    # The same columns, but for the first two.
    rows = [heads, *((job["via"], *_cells(job)[2:]) for job in jobs)]
    return _columns(rows, 2)


def webhooks_table(rounds: Sequence[Round]) -> str:
    """One line for each source that has webhooks, in columns."""
    rows: list[tuple[str, ...]] = [_WEBHOOK_HEADS]
    rows += [
        (
            each.source,
            *(f"{getattr(each, name):,}" for name in _WEBHOOK_HEADS[1:-1]),
            f"{each.seconds:.1f}",
        )
        for each in rounds
    ]
    return _columns(rows, 1)


def _columns(rows: Sequence[Sequence[str]], text_columns: int) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def where_to_look(stack: Stack, runs: Runs) -> str:
    """Pages, database, command line, and how to stop."""
    settings = stack.settings
    elsewhere = _prefix(settings)
    entity = next((job["entity_type"] for job in runs.jobs), "prospects")
    source = next((job["source_system"] for job in runs.jobs), "genius")
    return (
        f"  UI        {stack.ui_url()}   user {ADMIN}, password in "
        f"{_shown(settings.secrets / 'airflow_passwords.json')}\n"
        f"  Database  {elsewhere}make psql   "
        "(contacts: TABLE warehouse.contacts LIMIT 5)\n"
        f"  Command   {elsewhere}.venv/bin/python -m crm_warehouse sync "
        f"--source {source} --entity {entity}\n"
        f"  Logs      {elsewhere}make status, {elsewhere}make logs\n"
        f"  Stop      {elsewhere}make down"
    )


def _cells(job: dict[str, Any]) -> tuple[str, ...]:
    return (
        job["source_system"],
        job["entity_type"],
        job["status"],
        *(f"{job[f'records_{name}']:,}" for name in _COUNTERS),
        f"{job['warnings']:,}",
        f"{job['seconds']:.1f}",
    )


def _empty(dag_id: str, runs: Runs) -> tuple[str, ...]:
    source, _, entity = dag_id.partition("__")
    dashes = ["-"] * (len(_HEADS) - _TEXT_COLUMNS)
    return (source, entity, runs.states[dag_id], *dashes)


def _prefix(settings: StackSettings) -> str:
    """What commands need in front of them when the stack is not in ``.var``."""
    at_home = settings.var == ROOT / ".var"
    return "" if at_home else f"CRM_STACK_VAR={settings.var} "


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
