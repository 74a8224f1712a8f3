"""The statements of sql/engine: explained, used, and complete."""

import re
from pathlib import Path
from string import Formatter

import pytest
from engine_load import Connection, rows
from psycopg import sql

from crm_warehouse.engine.queries import SQL_FOLDER, columns, query

FILES = {path.stem: path for path in sorted((SQL_FOLDER / "engine").glob("*.sql"))}
PLUGINS = Path(__file__).parents[3] / "plugins"
#: A name given to ``query``, or to ``jobs.change``, which passes it on.
USED = re.compile(r'(?:query\(|change\(\s*[\w.]+,)\s*"(\w+)"')


def head_and_body(name: str) -> tuple[str, str]:
    lines = FILES[name].read_text().splitlines()
    head = [line for line in lines if line.startswith("--")]
    return "\n".join(head), "\n".join(line for line in lines if line not in head)


def parts(name: str) -> set[str]:
    """Names of a statement's ``{placeholders}``."""
    _, body = head_and_body(name)
    return {field for _, field, _, _ in Formatter().parse(body) if field}


@pytest.mark.parametrize("name", FILES)
def test_a_statement_begins_with_what_it_does(name: str) -> None:
    text = FILES[name].read_text()
    head, _ = head_and_body(name)

    assert text.startswith("-- ")
    assert text.startswith(head + "\n")
    assert len(head) > 40


@pytest.mark.parametrize("name", FILES)
def test_every_placeholder_can_be_filled(name: str) -> None:
    filled = query(name, **{part: sql.Identifier(part) for part in parts(name)})
    text = filled.as_string(None)

    assert "{" not in text
    assert all(f'"{part}"' in text for part in parts(name))


@pytest.mark.parametrize("name", FILES)
def test_a_placeholder_that_the_head_explains_exists(name: str) -> None:
    head, _ = head_and_body(name)
    assert set(re.findall(r"{(\w+)}", head)) <= parts(name)


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    used = {
        name
        for path in PLUGINS.rglob("*.py")
        for name in USED.findall(path.read_text(encoding="utf-8"))
    }
    assert used == set(FILES)


def test_columns_quote_names() -> None:
    snippet = columns(["zip", 'odd"name'], prefix="c")
    assert snippet.as_string(None) == 'c."zip", c."odd""name", '


def test_every_table_explains_itself(shared_conn: Connection) -> None:
    silent = rows(
        shared_conn,
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        " WHERE c.relnamespace::regnamespace::text IN"
        "     ('ops', 'raw', 'warehouse', 'staging', 'identity', 'marts')"
        "     AND c.relkind IN ('r', 'v', 'm', 'p')"
        "     AND obj_description(c.oid, 'pg_class') IS NULL",
    )
    assert silent == []


def test_every_column_that_people_read_explains_itself(shared_conn: Connection) -> None:
    described = rows(
        shared_conn,
        "SELECT a.attrelid::regclass::text, a.attname,"
        "     col_description(a.attrelid, a.attnum) IS NOT NULL"
        " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
        " WHERE c.relnamespace::regnamespace::text IN ('warehouse', 'marts')"
        "     AND c.relkind IN ('r', 'v', 'm', 'p')"
        "     AND a.attnum > 0 AND NOT a.attisdropped",
    )
    assert len(described) > 50
    assert [row[:2] for row in described if not row[2]] == []
