"""``quarantine list``: what is set aside, why, and where it came from."""

import json
from argparse import Namespace
from typing import Any

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reading import entity_filter, reading
from crm_warehouse.cli.tables import table

_HEAD = ("id", "of", "severity", "reason", "field", "rule", "record", "page", "job",
         "seen", "first seen", "last seen")  # fmt: skip


def run(words: Namespace) -> int:
    """Print the entries that the filters let pass, latest first."""
    from psycopg.rows import dict_row

    from crm_warehouse.engine.queries import query

    values = {
        **entity_filter(words.source, words.entity),
        "severity": words.severity,
        "error_type": words.type,
        "field": words.field,
        "rule": words.rule,
        "resolved": words.all,
        "with_data": words.data,
        "limit": words.limit,
    }
    with reading() as conn, conn.cursor(row_factory=dict_row) as cursor:
        entries = cursor.execute(query("list_quarantine"), values).fetchall()
    total = entries[0]["total"] if entries else 0
    if words.json:
        print(json.dumps({"total": total, "entries": [_plain(e) for e in entries]}))
    else:
        print(_as_text(entries, total))
    return Exit.SUCCESS


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON form; ``record_data`` is only there when it was asked for."""
    plain = {key: value for key, value in entry.items() if key != "total"}
    for key in ("first_seen", "last_seen"):
        plain[key] = plain[key].isoformat()
    if plain["record_data"] is None:
        del plain["record_data"]
    return plain


def _as_text(entries: list[dict[str, Any]], total: int) -> str:
    if not entries:
        return "nothing in quarantine"
    rows = [
        (
            entry["id"],
            f"{entry['source_system']} {entry['entity_type']}",
            entry["severity"] + (", resolved" if entry["resolved"] else ""),
            f"{entry['error_type']}: {entry['error_message']}",
            entry["field"],
            entry["rule"],
            entry["source_id"] or "without id",
            entry["page"],
            entry["job_id"],
            entry["seen_count"],
            f"{entry['first_seen']:%F %H:%M}",
            f"{entry['last_seen']:%F %H:%M}",
        )
        for entry in entries
    ]
    lines = [table(_HEAD, rows)]
    lines += [
        f"{entry['id']}: {ascii(entry['record_data'])[1:-1]}"
        for entry in entries
        if entry["record_data"] is not None
    ]
    if total > len(entries):
        lines.append(f"{len(entries)} of {total}; --limit shows more")
    return "\n".join(lines)
