"""docs/sources.md tells every key there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crm_warehouse.connections.postgres import OPTIONS
from crm_warehouse.source_files import json_schema
from crm_warehouse.unified import UNIFIED

REFERENCE = Path(__file__).parents[3] / "docs" / "sources.md"


def _keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from _keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from _keys(value)


def test_every_key_has_its_place_in_the_reference() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    keys = set(_keys(json_schema()))

    assert {"confirm_path", "on_error", "strategy"} <= keys
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_every_table_and_libpq_option_has_too() -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    assert [word for word in (*UNIFIED, *OPTIONS) if f"`{word}`" not in text] == []
