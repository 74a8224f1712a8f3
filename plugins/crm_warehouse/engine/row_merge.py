"""One table's part of a chunk: copied to a temporary table, merged from there."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from crm_warehouse.engine import known_keys
from crm_warehouse.engine.chunk import Entry
from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.queries import columns, query
from crm_warehouse.engine.record_paths import link_column
from crm_warehouse.engine.values import NULL
from crm_warehouse.unified import LINK_TABLES, Link, links_of


class Written(NamedTuple):
    """What one merge wrote.

    Attributes:
        created: Rows that are new; records seen before in the job left out.
        updated: Rows that changed; likewise.
        ids: Source ids of both, records seen before included; empty unless asked for.
    """

    created: int
    updated: int
    ids: list[str]


class RowMerge:
    """Rows of one mapping.

    Args:
        mapping: The mapping.
        chunk_table: Temporary table to copy into.
        raw_table: Table of the raw layer that holds the records.
        tell_ids: Whether the ids of written rows are wanted.
        with_keys: Whether the known keys of records are copied, too.
    """

    def __init__(
        self,
        mapping: Mapping,
        chunk_table: str,
        raw_table: str,
        *,
        tell_ids: bool,
        with_keys: bool = False,
    ) -> None:
        self.chunk_table = chunk_table
        self._mapping = mapping
        self._with_keys = with_keys
        self._empty_row = "\t".join([NULL] * len(mapping.line_columns()))
        self._copy = sql.SQL("COPY {} FROM STDIN (FORMAT text, NULL {})").format(
            sql.Identifier(chunk_table), sql.Literal(NULL)
        )
        self._merge = _merge_rows(mapping, chunk_table, raw_table, tell_ids=tell_ids)

    def create_chunk(self) -> sql.Composed:
        """Statement that makes the temporary table."""
        held = self._mapping.line_columns()
        if self._with_keys:
            held[known_keys.COLUMN] = "jsonb"
        mapped = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in held.items()
        )
        table = sql.Identifier(self.chunk_table)
        return query("create_chunk", table=table, mapped=mapped)

    def copy(
        self,
        cursor: psycopg.Cursor[Any],
        rows: Iterable[tuple[Entry, Row]],
        *,
        with_payload: bool,
    ) -> None:
        """Copy rows into the temporary table, rejected ones included."""
        lines = [
            entry.copy_line(
                row,
                self._empty_row,
                with_payload=with_payload,
                with_keys=self._with_keys,
            )
            for entry, row in rows
        ]
        with cursor.copy(self._copy) as copy:
            if lines:
                copy.write("\n".join(lines) + "\n")

    def merge(self, cursor: psycopg.Cursor[Any], values: dict[str, Any]) -> Written:
        """Merge what was copied; values as ``merge_rows.sql`` names them."""
        row = cursor.execute(self._merge, values).fetchone()
        assert row is not None  # noqa: S101  an aggregate returns one row
        created, updated, ids = row
        return Written(created, updated, ids or [])


class LinkMerge:
    """Links of a unified table's records to their parents of one kind.

    Args:
        children: The unified table.
        parents: Table of the parents.
    """

    def __init__(self, children: str, parents: str) -> None:
        table = LINK_TABLES[children, parents]
        self._statement = query(
            "merge_links",
            table=sql.Identifier(table.name),
            children=sql.Identifier(children),
            parents=sql.Identifier(parents),
            parents_name=sql.Literal(parents),
            child_id=sql.Identifier(f"{table.child}_id"),
            child_source_id=sql.Identifier(f"{table.child}_source_id"),
            parent_id=sql.Identifier(f"{table.parent}_id"),
            parent_source_id=sql.Identifier(f"{table.parent}_source_id"),
            listed=sql.Identifier(link_column(parents)),
        )

    def merge(self, cursor: psycopg.Cursor[Any], values: dict[str, Any]) -> None:
        """Merge the lists of the chunk; values as ``merge_links.sql`` names them."""
        if values["written"]:
            cursor.execute(self._statement, values)


def survivors(mapping: Mapping) -> tuple[sql.Composed, dict[str, sql.Composed]]:
    """Joins of a chunk's rows ``c`` to the survivors of parents that were merged.

    In place of a parent that was erased stands the next one that the record lists.

    Returns:
        The joins, and each column's value: the chunk's own, or the stand-in's id.
    """
    links, several = _links(mapping), {link.parent for link in mapping.links}
    joins = [
        sql.SQL(
            "LEFT JOIN LATERAL (SELECT m.survivor_source_id AS source_id"
            " FROM warehouse.merged_records AS m"
            " WHERE m.source_system = %(source_system)s"
            " AND m.unified_table = {name} AND m.source_id = c.{child}"
            " LIMIT 1) AS {survivor} ON true"
            " LEFT JOIN LATERAL (SELECT true AS erased FROM ops.erased_records AS e"
            " WHERE e.source_system = %(source_system)s"
            " AND e.source_id = coalesce({survivor}.source_id, c.{child})"
            " AND {name} = ANY(e.unified_tables) LIMIT 1) AS {lost} ON true"
        ).format(
            name=sql.Literal(link.parent),
            survivor=sql.Identifier(f"survivor_{link.column}"),
            lost=sql.Identifier(f"lost_{link.column}"),
            child=sql.Identifier(link.child),
        )
        for link in links
    ]
    own = {
        name: sql.SQL("c.{}").format(sql.Identifier(name)) for name in mapping.columns
    }
    named = {
        link.child: sql.SQL(
            "CASE WHEN {}.erased THEN {} ELSE coalesce({}.source_id, c.{}) END"
        ).format(
            sql.Identifier(f"lost_{link.column}"),
            _heir(link) if link.parent in several else sql.SQL("NULL"),
            sql.Identifier(f"survivor_{link.column}"),
            sql.Identifier(link.child),
        )
        for link in links
    }
    return sql.SQL(" ").join(joins), own | named


def _heir(link: Link) -> sql.Composed:
    """The first parent that a record of the chunk lists and that was not erased."""
    return sql.SQL(
        "(SELECT coalesce(m.survivor_source_id, l.value ->> 0)"
        " FROM jsonb_array_elements(c.{listed}) WITH ORDINALITY AS l (value, position)"
        " LEFT JOIN warehouse.merged_records AS m"
        " ON m.source_system = %(source_system)s AND m.unified_table = {name}"
        " AND m.source_id = l.value ->> 0"
        " WHERE NOT EXISTS (SELECT FROM ops.erased_records AS e"
        " WHERE e.source_system = %(source_system)s"
        " AND e.source_id = coalesce(m.survivor_source_id, l.value ->> 0)"
        " AND {name} = ANY(e.unified_tables))"
        " ORDER BY l.position LIMIT 1)"
    ).format(
        listed=sql.Identifier(link_column(link.parent)), name=sql.Literal(link.parent)
    )


def _links(mapping: Mapping) -> list[Link]:
    """Links to parents whose ids records of the mapping name."""
    return [link for link in links_of(mapping.into) if link.child in mapping.columns]


def _merge_rows(
    mapping: Mapping, chunk_table: str, raw_table: str, *, tell_ids: bool
) -> sql.Composed:
    links = _links(mapping)
    joins, values = survivors(mapping)
    parents = [
        sql.SQL(
            "LEFT JOIN LATERAL (SELECT p.id FROM warehouse.{table} AS p"
            " WHERE p.source_system = %(source_system)s AND p.source_id = {value}"
            " LIMIT 1) AS {alias} ON true"
        ).format(
            table=sql.Identifier(link.parent),
            value=values[link.child],
            alias=sql.Identifier(f"parent_{link.column}"),
        )
        for link in links
    ]
    parent_ids = [
        sql.SQL("{}.id, ").format(sql.Identifier(f"parent_{link.column}"))
        for link in links
    ]
    kept = mapping.kept | {link.column for link in links if link.child in mapping.kept}
    written = mapping.columns + [link.column for link in links]
    return query(
        "merge_rows",
        table=sql.Identifier(mapping.into),
        chunk=sql.Identifier(chunk_table),
        raw_table=sql.Identifier(raw_table),
        columns=columns(mapping.columns),
        chunk_columns=sql.Composed(
            [sql.SQL("{}, ").format(values[name]) for name in mapping.columns]
        ),
        links=columns([link.column for link in links]),
        parent_ids=sql.Composed(parent_ids),
        parents=sql.SQL(" ").join([joins, *parents]),
        assignments=sql.Composed(
            [
                sql.SQL("{0} = excluded.{0}, ").format(sql.Identifier(name))
                for name in written
                if name not in kept
            ]
        ),
        written=sql.SQL("array_agg(source_id)" if tell_ids else "NULL::text[]"),
    )
