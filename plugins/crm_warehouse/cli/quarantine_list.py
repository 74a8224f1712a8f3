"""``quarantine list``: what is set aside, why, and where it came from."""

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.quarantine import count_by_reason, filters, why_nothing
from crm_warehouse.cli.reading import reading
from crm_warehouse.cli.tables import printable, table
from crm_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from crm_warehouse.engine.jobs import Connection

_BY_REASON = ("count", "of", "severity", "type", "field", "rule")
_ENTRIES = ("id", "of", "record", "field", "reason", "seen", "last seen")
_LONGEST_ID, _LONGEST_REASON = 24, 40


def run(words: Namespace) -> int:
    """Print the reasons and the entries that the filters let pass, latest first."""
    values = {
        **filters(words),
        "severity": words.severity,
        # Who names an entry wants to see it, open or not.
        "resolved": words.all or words.id is not None,
        "with_data": words.data,
        "limit": words.limit,
    }
    with reading() as conn:
        reasons = count_by_reason(conn, values)
        why = "" if reasons else why_nothing(conn, values)
        entries = _read(conn, values) if reasons else []
    if words.id is not None and not entries:
        raise ConfigurationError(f"--id: {words.id}: {why}")
    total = sum(reason["count"] for reason in reasons)
    if words.json:
        if why:
            logs.logger.info(why)
        plain = [_plain(entry) for entry in entries]
        print(json.dumps({"total": total, "reasons": reasons, "entries": plain}))
    elif words.id is not None:
        print(_whole(_plain(entries[0])))
    else:
        print(why or _as_text(reasons, entries, total))
    return Exit.SUCCESS


def _read(conn: "Connection", values: dict[str, Any]) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    from crm_warehouse.engine.queries import query

    with conn.cursor(row_factory=dict_row) as cursor:
        entries = cursor.execute(query("list_quarantine"), values).fetchall()
    if values["with_data"]:
        _add_raw(conn, entries)
    return entries


def _add_raw(conn: "Connection", entries: list[dict[str, Any]]) -> None:
    """Give entries without data of their own, such as warnings, what raw holds."""
    from psycopg import sql

    from crm_warehouse.engine.queries import query
    from crm_warehouse.source_files import default_directory, load_sources

    sources = load_sources(default_directory())
    lacking: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["record_data"] is None and entry["source_id"] is not None:
            place = (entry["source_system"], entry["entity_type"])
            lacking.setdefault(place, []).append(entry)
    for (source_system, entity_type), some in lacking.items():
        source = sources.get(source_system)
        entity = source.all_entities.get(entity_type) if source else None
        if entity is None:
            continue
        stored = conn.execute(
            query("read_payloads", table=sql.Identifier(entity.raw_table)),
            {"source_system": source_system, "ids": [e["source_id"] for e in some]},
        ).fetchall()
        texts = {i: exact.decode() if exact else text for i, text, exact in stored}
        for entry in some:
            entry["record_data"] = texts.get(entry["source_id"])


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON form; ``record_data`` is only there when it was asked for."""
    plain = dict(entry)
    for key in ("first_seen", "last_seen"):
        plain[key] = plain[key].isoformat()
    if plain["record_data"] is None:
        del plain["record_data"]
    return plain


def _whole(entry: dict[str, Any]) -> str:
    """One entry, a line for each of its values."""
    return "\n".join(
        f"{key}: {printable('' if value is None else str(value))}"
        for key, value in entry.items()
    )


def _as_text(
    reasons: list[dict[str, Any]], entries: list[dict[str, Any]], total: int
) -> str:
    by_reason = [
        (each["count"], _of(each), *(each[key] for key in
         ("severity", "error_type", "field", "rule")))
        for each in reasons
    ]  # fmt: skip
    rows = [
        (
            entry["id"],
            _of(entry),
            _short(entry["source_id"] or "without id", _LONGEST_ID),
            entry["field"],
            _short(
                "resolved: " * entry["resolved"] + entry["error_message"],
                _LONGEST_REASON,
            ),
            entry["seen_count"],
            f"{entry['last_seen']:%F %H:%M}",
        )
        for entry in entries
    ]
    lines = [table(_BY_REASON, by_reason), "", table(_ENTRIES, rows)]
    lines += [
        f"{entry['id']}: {printable(entry['record_data'])}"
        for entry in entries
        if entry["record_data"] is not None
    ]
    if total > len(entries):
        lines.append(f"{len(entries)} of {total}; --limit shows more")
    lines.append("--id N shows one entry whole")
    return "\n".join(lines)


def _of(entry: dict[str, Any]) -> str:
    return f"{entry['source_system']} {entry['entity_type']}"


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
