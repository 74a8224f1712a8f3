"""``rules list``: which validation rules there are, and whether they hold."""

import json
from argparse import Namespace
from typing import Any

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reading import entity_filter, reading
from crm_warehouse.cli.tables import table

_HEAD = ("rule", "of", "field", "type", "config", "on_error", "active", "open")


def run(words: Namespace) -> int:
    """Print the rules; a mistake in an active one makes the status 2."""
    from crm_warehouse.cli.stored_rules import list_rules, mistakes

    chosen = entity_filter(words.source, words.entity)
    with reading() as conn:
        stored = list_rules(conn, **chosen)
    wrong = mistakes(stored) if stored else []
    for each, mistake in zip(stored, wrong, strict=True):
        each["mistake"] = mistake
    if words.json:
        print(json.dumps({"rules": stored}))
    else:
        print(_as_text(stored))
    is_wrong = any(each["is_active"] and each["mistake"] for each in stored)
    return Exit.USAGE if is_wrong else Exit.SUCCESS


def _as_text(stored: list[dict[str, Any]]) -> str:
    if not stored:
        return "no rules"
    rows = [
        (
            each["name"],
            f"{each['source_system']} {each['entity_type']}",
            each["field"],
            each["rule_type"],
            json.dumps(each["config"], ensure_ascii=False),
            each["on_error"],
            "yes" if each["is_active"] else "no",
            each["open"],
        )
        for each in stored
    ]
    told = [f"wrong: {each['mistake']}" for each in stored if each["mistake"]]
    return "\n".join([table(_HEAD, rows), *told])
