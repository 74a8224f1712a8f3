"""The SQL of ``sql/engine``: identifiers are filled in, values left to psycopg."""

from functools import cache
from pathlib import Path

from psycopg import sql

#: Repository folder that holds migrations and engine statements.
SQL_FOLDER = Path(__file__).resolve().parents[3] / "sql"


@cache
def _template(name: str) -> str:
    text = (SQL_FOLDER / "engine" / f"{name}.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return "\n".join(lines)


def query(name: str, **parts: sql.Composable) -> sql.Composed:
    """Statement ``sql/engine/<name>.sql`` with its ``{placeholders}`` filled.

    Args:
        name: File name without ending.
        parts: Identifiers or snippets, by placeholder; never values.
    """
    return sql.SQL(_template(name)).format(**parts)


def columns(names: list[str], *, prefix: str = "", suffix: str = ", ") -> sql.Composed:
    """``prefix.a, prefix.b,`` as a snippet; every name is quoted.

    Args:
        names: Column names.
        prefix: Table alias, or empty.
        suffix: What follows each name.
    """
    alias = sql.SQL(f"{prefix}." if prefix else "")
    tail = sql.SQL(suffix)
    return sql.Composed(
        [part for n in names for part in (alias, sql.Identifier(n), tail)]
    )
