"""Where source files and the warehouse disagree."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from crm_warehouse.cli.failures import explain
from crm_warehouse.cli.stored_rules import list_rules, mistakes
from crm_warehouse.cli.warehouse import no_tables, warehouse_conninfo
from crm_warehouse.engine import settings
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.engine.mapping import Mapping
from crm_warehouse.engine.migrations import own_folder, read_folder, read_own
from crm_warehouse.engine.queries import SQL_FOLDER
from crm_warehouse.errors import ConfigurationError, SyncDisabledError
from crm_warehouse.spec import Entity, Source

_Connection = psycopg.Connection[Any]

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
_HOW = "add a numbered file to sql/migrations and run `python -m crm_warehouse migrate`"


class Drift(NamedTuple):
    """What a comparison found; problems and warnings have one line each.

    Attributes:
        compared: Whether all tables were looked at.
    """

    compared: bool
    problems: list[str]
    warnings: list[str]


def find_drift(sources: list[Source], *, whole: bool) -> Drift:
    """Compare; nothing is written.

    Args:
        sources: What to compare with.
        whole: These are all sources there are; rules of others are mistakes.
    """
    problems: list[str] = []
    warnings: list[str] = []
    try:
        with psycopg.connect(warehouse_conninfo(), autocommit=True) as conn:
            if pending := _pending(conn):
                return Drift(False, [pending], [])
            for source in sources:
                for profile in (source, *source.profiles.values()):
                    for entity in profile.entities.values():
                        problems += _tables(conn, profile, entity)
                for entity in source.all_entities.values():
                    found, more = _configuration(conn, source, entity)
                    problems += found
                    warnings += more
            problems += _rules(conn, sources, whole=whole)
    except (ConfigurationError, psycopg.Error) as error:
        return Drift(False, [*problems, *explain(error).lines], warnings)
    return Drift(True, problems, warnings)


def _pending(conn: _Connection) -> str | None:
    row = conn.execute("SELECT to_regclass('crm_migrations.applied')").fetchone()
    if row is None or row[0] is None:
        return str(no_tables())
    applied = {
        version
        for (version,) in conn.execute("SELECT version FROM crm_migrations.applied")
    }
    missing = [
        migration.name
        for migration in (
            *read_folder(SQL_FOLDER / "migrations"),
            *read_own(own_folder()),
        )
        if migration.version not in applied
    ]
    if not missing:
        return None
    return (
        f"the warehouse lacks {', '.join(missing)}; "
        "run `python -m crm_warehouse migrate`"
    )


def _tables(conn: _Connection, source: Source, entity: Entity) -> Iterator[str]:
    where = " ".join(filter(None, (source.name, source.profile, entity.name)))
    if not _columns(conn, f"raw.{entity.raw_table}"):
        yield f"{where}: there is no table raw.{entity.raw_table}; {_HOW}"
    table = f"warehouse.{entity.into}"
    columns = _columns(conn, table)
    if not columns:
        yield f"{where}: there is no table {table}; {_HOW}"
        return
    mapping = Mapping(entity, source.region)
    for name, kind in zip(mapping.columns, mapping.column_types, strict=True):
        wanted = kind.replace("timestamptz", "timestamp with time zone")
        if name not in columns:
            yield f"{where}: map fills {table}.{name}, which is no column; {_HOW}"
        elif columns[name] != wanted:
            yield (
                f"{where}: {table}.{name} is of type {columns[name]}, but {wanted} "
                f"comes in; {_HOW}"
            )


def _rules(conn: _Connection, sources: list[Source], *, whole: bool) -> Iterator[str]:
    """What is wrong with the validation rules that are active."""
    known = {source.name: source for source in sources}
    stored = [
        rule
        for rule in list_rules(conn, None, None)
        if rule["is_active"] and (whole or rule["source_system"] in known)
    ]
    return (wrong for wrong in mistakes(stored, known) if wrong is not None)


def _columns(conn: _Connection, table: str) -> dict[str, str]:
    """Column -> type; empty when there is no such table."""
    quoted = ".".join(f'"{part}"' for part in table.split("."))
    return dict(conn.execute(_COLUMNS, [quoted]).fetchall())


def _configuration(
    conn: _Connection, source: Source, entity: Entity
) -> tuple[list[str], list[str]]:
    """Problems and warnings of the entity's row in ``ops.sync_configurations``."""
    request = SyncRequest(source, entity, source.name, "incremental")
    # Loading makes sure that the row is there; looking must leave no trace.
    with conn.transaction(force_rollback=True):
        try:
            settings.load(conn, request)
        except SyncDisabledError as error:
            return [], [str(error)]
        except ConfigurationError as error:
            return list(error.problems), []
    return [], []
