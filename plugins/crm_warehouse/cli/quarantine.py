"""What is set aside, as the commands about the quarantine look for it."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from crm_warehouse.cli.reading import entity_filter
from crm_warehouse.cli.words import hint

if TYPE_CHECKING:
    from crm_warehouse.engine.jobs import Connection

#: Option -> column that it filters by.
_REASONS = {"--type": "error_type", "--field": "field", "--rule": "rule"}


def filters(words: Namespace) -> dict[str, Any]:
    """What ``sql/engine/count_quarantine.sql`` takes; None lets everything pass."""
    return {
        **entity_filter(words.source, words.entity),
        "error_type": words.type,
        "field": words.field,
        "rule": words.rule,
        "id": words.id,
        "severity": None,
        "resolved": False,
    }


def count_by_reason(conn: "Connection", values: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of ``sql/engine/count_quarantine.sql``."""
    from psycopg.rows import dict_row

    from crm_warehouse.engine.queries import query

    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("count_quarantine"), values).fetchall()


def why_nothing(conn: "Connection", values: dict[str, Any]) -> str:
    """Say why no entry passes the filters: nothing is open, or a word is wrong."""
    everything = dict.fromkeys(values) | {"resolved": values["resolved"]}
    reasons = count_by_reason(conn, everything)
    total = sum(each["count"] for each in reasons)
    if not total:
        return "nothing in quarantine"
    told = [
        f"{option} {values[column]!r} is there nowhere{hint(values[column], known)}"
        for option, column in _REASONS.items()
        if values[column] is not None
        and values[column] not in (known := _words(reasons, column))
    ]
    state = "in all" if values["resolved"] else "open in all"
    return "; ".join((f"nothing matches; {total} {state}", *told))


def _words(reasons: list[dict[str, Any]], column: str) -> set[str]:
    """Values of a column; those of fields also without their table."""
    words = {each[column] for each in reasons if each[column]}
    return words | {word.rpartition(".")[2] for word in words if column == "field"}
