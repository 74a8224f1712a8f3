"""``webhooks list``: what is in the inbox, in which state, and why."""

import json
from argparse import Namespace
from datetime import timedelta
from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import Composed

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.inbox import choice_of, plain
from crm_warehouse.cli.reading import reading
from crm_warehouse.cli.tables import table
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.queries import query

_SUMMARY = ("count", "source", "state", "oldest", "age", "reason")
_DELIVERIES = (
    *("id", "received", "source", "state", "bytes", "events", "pending", "failed"),
    *("request", "reason"),
)
_EVENTS = (
    *("id", "delivery", "received", "source", "entity", "object", "type", "state"),
    "reason",
)


def run(words: Namespace) -> int:
    """Print counts, or what the filters let pass, latest first."""
    choice = choice_of(words)
    statement = _summary(choice) if words.summary else _listing(choice)
    with reading() as conn, conn.cursor(row_factory=dict_row) as cursor:
        values = {**choice.given, "limit": words.limit}
        rows = cursor.execute(statement, values).fetchall()
    if words.json:
        for row in rows:
            print(json.dumps(plain(row)))
    elif not rows:
        print("nothing matches" if choice.given else "the inbox is empty")
    elif words.summary:
        print(table(_SUMMARY, [_summary_line(row) for row in rows]))
    else:
        print(_as_text(choice, rows))
        if len(rows) == words.limit:
            print("there may be more: --limit, or --summary for how many")
    return Exit.SUCCESS


def _summary(choice: Choice) -> Composed:
    if choice.kind == "events":
        return query("sum_events", filter=choice.condition)
    return query("sum_deliveries", filter=choice.condition)


def _listing(choice: Choice) -> Composed:
    if choice.kind == "events":
        return query("list_events", filter=choice.condition)
    return query("list_deliveries", filter=choice.condition)


def _summary_line(row: dict[str, Any]) -> tuple[Any, ...]:
    age = timedelta(seconds=round(row["age_seconds"]))
    # Who is settled may be as old as can be.
    waits = age if row["state"] == "pending" else None
    return (
        *(row[key] for key in ("count", "source_system", "state")),
        *(f"{row['oldest']:%F %H:%M:%S}", waits, row["reason"]),
    )


def _as_text(choice: Choice, rows: list[dict[str, Any]]) -> str:
    if choice.kind == "events":
        return table(_EVENTS, [_event_line(row) for row in rows])
    return table(_DELIVERIES, [_delivery_line(row) for row in rows])


def _event_line(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        *(row["id"], row["delivery_id"], f"{row['received_at']:%F %H:%M:%S}"),
        *(row[key] for key in ("source_system", "entity_type", "object_id")),
        *(row[key] for key in ("event_type", "state", "reason")),
    )


def _delivery_line(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        *(row["id"], f"{row['received_at']:%F %H:%M:%S}", row["source_system"]),
        *(row[key] for key in ("state", "body_bytes", "events", "pending", "failed")),
        *(row["request_id"], row["reason"]),
    )
