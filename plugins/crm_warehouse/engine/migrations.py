"""Apply the numbered files of ``sql/migrations``, each once, in order.

Forward only. Every file is one transaction; a second process waits for the first. Safe
on a live database: a migration gives up after a few seconds of waiting for a table that
is in use, and changes nothing then.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from crm_warehouse.engine.queries import SQL_FOLDER
from crm_warehouse.errors import ConfigurationError

#: Names a folder with migrations of your own, for sources of your own.
OWN_VARIABLE = "CRM_WAREHOUSE_MIGRATIONS"
#: Their lowest number: no release's ever comes so far.
FIRST_OWN = "9001"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_KEY = 5_270_461_123  # any number that nothing else uses
_OLDEST_SERVER = 15
_HISTORY = """
CREATE SCHEMA IF NOT EXISTS crm_migrations;
CREATE TABLE IF NOT EXISTS crm_migrations.applied (
    version text PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file.

    Attributes:
        version: Its four digits.
        name: File name.
        text: The SQL.
        checksum: SHA-256 (hex) of the text.
    """

    version: str
    name: str
    text: str
    checksum: str


def migrate(
    conninfo: str, folder: Path = SQL_FOLDER / "migrations", own: Path | None = None
) -> list[str]:
    """Bring a database up to date.

    Args:
        conninfo: libpq connection string; its role owns the warehouse's schemas.
        folder: Where the numbered files lie.
        own: Where those of your own lie, numbered from 9001 on; None: in the folder
            that ``CRM_WAREHOUSE_MIGRATIONS`` names, if any.

    Returns:
        Names of the files applied now; empty when there was nothing to do.

    Raises:
        ConfigurationError: An applied file was changed, the database is newer than
            this checkout, the server is too old, or a file fails: those before it
            stay applied.
    """
    migrations = read_folder(folder) + read_own(own or own_folder())
    with psycopg.connect(conninfo, autocommit=True) as conn:
        _check_server(conn)
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        conn.execute("SET client_min_messages = warning")
        conn.execute(_HISTORY)
        applied: dict[str, str] = dict(
            conn.execute("SELECT version, checksum FROM crm_migrations.applied")
        )
        _check_history(migrations, applied)
        pending = [m for m in migrations if m.version not in applied]
        for migration in pending:
            _apply(conn, migration)
    return [migration.name for migration in pending]


def own_folder() -> Path | None:
    """Folder of your own migrations, by the environment."""
    chosen = os.environ.get(OWN_VARIABLE, "").strip()
    return Path(chosen) if chosen else None


def read_own(folder: Path | None) -> list[Migration]:
    """Your own migrations, in order; none without a folder.

    Raises:
        ConfigurationError: There is no such folder, or a number is a release's.
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder}: there is no such folder; {OWN_VARIABLE} names it"
        )
    migrations = read_folder(folder)
    for migration in migrations:
        if migration.version < FIRST_OWN:
            raise ConfigurationError(
                f"{folder / migration.name}: number it from {FIRST_OWN} on; lower "
                "numbers are those of releases"
            )
    return migrations


def read_folder(folder: Path) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        ConfigurationError: A name or number is not as it should be.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ConfigurationError(
                f"sql/migrations/{path.name}: name it like 0042_what_it_does.sql"
            )
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        migrations.append(Migration(match[1], path.name, text, checksum))
    versions = [migration.version for migration in migrations]
    for version in versions:
        if versions.count(version) > 1:
            raise ConfigurationError(
                f"sql/migrations: two files are numbered {version}; renumber the"
                " newer one"
            )
    return migrations


def _check_server(conn: psycopg.Connection[Any]) -> None:
    major = conn.info.server_version // 10_000
    if major < _OLDEST_SERVER:
        raise ConfigurationError(
            f"PostgreSQL {major} is too old: the warehouse needs {_OLDEST_SERVER} or"
            " later"
        )


def _check_history(migrations: list[Migration], applied: dict[str, str]) -> None:
    known = {migration.version: migration for migration in migrations}
    problems = [_unknown(version) for version in applied if version not in known]
    problems += [
        f"sql/migrations/{known[version].name} was changed after it was applied:"
        " restore it and put the change into a new file"
        for version, checksum in applied.items()
        if version in known and known[version].checksum != checksum
    ]
    if problems:
        raise ConfigurationError(*problems)


def _unknown(version: str) -> str:
    if version >= FIRST_OWN:
        return (
            f"the database has migration {version}, which is one of your own: set"
            f" {OWN_VARIABLE} to its folder"
        )
    return (
        f"the database has migration {version}, which this checkout has not: it is"
        " older than the database; update it"
    )


def _apply(conn: psycopg.Connection[Any], migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute("SET LOCAL lock_timeout = '5s'")
            conn.execute(migration.text.encode())
            conn.execute(
                "INSERT INTO crm_migrations.applied (version, name, checksum)"
                " VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.checksum],
            )
    except psycopg.errors.LockNotAvailable as error:
        raise ConfigurationError(
            f"sql/migrations/{migration.name}: {error.diag.message_primary}: a table"
            " it changes is in use; nothing was changed, migrate again when no load"
            " runs"
        ) from error
    except psycopg.Error as error:
        if conn.closed:
            raise
        raise ConfigurationError(
            f"sql/migrations/{migration.name}: {error.diag.message_primary}; nothing"
            " of it was applied"
        ) from error
