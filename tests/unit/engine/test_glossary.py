"""The guides name every table and every error, and nothing that is not there."""

import inspect
import re
from pathlib import Path

from engine_load import Connection, rows

from crm_warehouse import errors
from crm_warehouse.spec import Source

ROOT = Path(__file__).parents[3]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
GUIDES = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")
)
ERRORS = {
    name: error
    for name, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, errors.CrmWarehouseError)
}


def named(word: str, text: str) -> bool:
    """Whether the text names the word alone, not as part of another."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", text) is not None


def tables(conn: Connection) -> set[str]:
    found = rows(
        conn,
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    return {name for (name,) in found}


def test_every_table_is_named_in_a_guide(
    shared_conn: Connection, genius: Source
) -> None:
    raw = {name for name in tables(shared_conn) if name.startswith("raw.")}
    assert {f"raw.{each.raw_table}" for each in genius.entities.values()} <= raw
    assert named("raw.<source>_<entity>", GUIDES.replace("`", " "))
    missing = {name for name in tables(shared_conn) - raw if not named(name, GUIDES)}
    assert missing == set()


def test_every_table_that_the_glossary_names_exists(shared_conn: Connection) -> None:
    named_here = set(re.findall(r"^\| `(\w+\.\w+)` \|", GLOSSARY, re.MULTILINE))
    assert len(named_here) > 10
    views = rows(shared_conn, "SELECT schemaname || '.' || viewname FROM pg_views")
    assert named_here <= tables(shared_conn) | {name for (name,) in views}


def test_every_error_is_named_with_its_category() -> None:
    assert len(ERRORS) > 10
    for name, error in ERRORS.items():
        assert f"| `{name}` | `{error.category}` |" in GLOSSARY


def test_every_place_that_the_glossary_names_exists() -> None:
    places = re.findall(r"`((?:[\w]+/)*[\w]+(?:\.py|\.sql)|[\w/]+/)`", GLOSSARY)
    assert len(places) > 30
    folders = (ROOT, ROOT / "plugins" / "crm_warehouse", ROOT / "sql" / "engine")
    missing = {
        place
        for place in places
        if not any((folder / place).exists() for folder in folders)
    }
    assert missing == set()
