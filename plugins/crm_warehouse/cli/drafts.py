"""The files of a new source as texts: source, migration, sandbox, test."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_warehouse.cli.sample import Sample, as_json, scrubbed, value_at_place
from crm_warehouse.cli.sample_words import columns_from, id_of, mark_of
from crm_warehouse.source_files.mapping import columns_of
from crm_warehouse.unified import links_of

_PLAIN = re.compile(r"[A-Za-z_][\w.\[\]-]*")
_WORDS_OF_YAML = ("true", "false", "null")
#: Columns whose texts a sandbox may change, the most telling first.
_CHANGING = ("status", "notes", "name", "subject", "last_name", "type", "first_name")
_PAGING = {"style": "number", "page_param": "page", "size_param": "per_page"}
_PLACE_PARAMS = ("page_param", "offset_param", "cursor_param")
_NUMBER_OF_PAGES = {"total": "total", "total_pages": "total_pages"}


@dataclass(frozen=True, slots=True)
class Draft:
    """One entity of a source to be.

    Attributes:
        name: Its name.
        into: Unified table.
        sample: A page of it.
        guessed: Whether the sample is a real one.
    """

    name: str
    into: str
    sample: Sample
    guessed: bool

    @property
    def id(self) -> str:
        """Place of the id."""
        return id_of(self.sample.record)

    @property
    def columns(self) -> dict[str, str]:
        """Unified column -> place; what a row cannot exist without is there."""
        found = columns_from(self.into, self.sample.record, self.id)
        for column, field in columns_of(self.into).items():
            if field.required:
                found.setdefault(column, column)
        return found


def source_text(name: str, title: str, drafts: list[Draft], schema: str) -> str:
    """The YAML, with comments where a person decides."""
    lines = [
        f"# yaml-language-server: $schema={schema}",
        f"source: {name}",
        f"title: {title}",
        "owner: sales-ops                    # decide: who answers for it",
        "client: rest                        # docs/sources.md: what needs no code",
        f"connection: {name}_default",
        "base_url: https://api.example.com/v1   # decide",
        "auth: {style: bearer}               # decide: bearer, api_key or basic",
        "",
        "quotas:                             # decide: what the documentation allows",
        "  - {name: hourly, requests: 1000, per: 1h}",
        "retry: {strategy: exponential, first: 1s, attempts: 4}",
        f"paging: {{{_paging_line(drafts[0].sample.paging)}}}   # decide",
        "timeout: 30s",
        "lag: 1m                             # decide: how late a change may show",
        "clock_skew: 1m",
        "max_concurrent: 2",
        "region: US",
        "",
        "entities:",
    ]
    for place, draft in enumerate(drafts):
        lines += (
            ["", *_entity_lines(draft, place)] if place else _entity_lines(draft, 0)
        )
    return "\n".join(lines) + "\n"


def _paging_line(told: Mapping[str, str]) -> str:
    paging = {**(told or _PAGING)}
    paging.setdefault("size_param", "limit")
    return ", ".join(
        [f"{key}: {_quoted(text)}" for key, text in paging.items()]
        + ["size: 100, max_size: 100"]
    )


def _entity_lines(draft: Draft, place: int) -> list[str]:
    columns = draft.columns
    first, hour = 2 + 4 * place % 13, 3 + place % 20
    version = columns.get("source_updated_at")
    since = "    # since_param: updated_since     # decide: without it, runs read all"
    mark = mark_of(draft.sample.record)
    # A record that is still shown confirms no deletion.
    confirm = "" if mark else f'confirm_path: "/{draft.name}/{{id}}", '
    return [
        f"  {draft.name}:",
        f"    into: {draft.into}" + _decide("which unified table", not draft.guessed),
        f"    path: /{draft.name}",
        f"    records: {_quoted(draft.sample.records)}",
        f"    id: {_quoted(draft.id)}",
        *([f"    version: {_quoted(version)}"] if version else []),
        since,
        f'    schedule: "{first}-59/15 * * * *"',
        f'    full_schedule: "{10 * (place % 6)} {hour} * * 0"',
        *([f"    deleted: {_quoted(mark)}"] if mark else []),
        f"    deletes: {{{confirm}max_share: 0.2}}",
        "    map:                            # decide: preview shows what comes of it",
        *(f"      {column}: {_quoted(text)}" for column, text in columns.items()),
        *(
            ["      attributes: $rest"]
            if "attributes" in columns_of(draft.into)
            else []
        ),
    ]


def _decide(what: str, is_open: bool) -> str:
    return f"   # decide: {what}" if is_open else ""


def _quoted(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and text not in _WORDS_OF_YAML
    return text if is_plain and "[" not in text else json.dumps(text)


def migration_text(name: str, title: str, drafts: list[Draft]) -> str:
    """Tables for the full payloads."""
    head = (
        f"-- Full payloads of every record of {title}. Nothing a source sends is"
        " dropped.\n-- Adds tables to schema raw, each like the first one (0003), with"
        " its keys, indexes and\n-- comments. Applied once, in one transaction.\n"
    )
    told = title.replace("'", "''")
    return head + "".join(
        f"\nCREATE TABLE raw.{name}_{draft.name}"
        f" (LIKE raw.genius_prospects INCLUDING ALL);\n"
        f"COMMENT ON TABLE raw.{name}_{draft.name} IS\n"
        f"    'Each record represents the latest payload of one of {told}''s"
        f" {draft.name}';\n"
        for draft in drafts
    )


def sandbox_text(name: str, drafts: list[Draft]) -> str:
    """What the sandbox is to speak, with nobody's data in it."""
    paging = {**(drafts[0].sample.paging or {**_PAGING, **_NUMBER_OF_PAGES})}
    params = [key for key in paging if key in _PLACE_PARAMS]
    place = paging.pop(params[0]) if params else "cursor"
    paging.setdefault("size_param", "limit")
    tables = {draft.into: draft.name for draft in drafts}
    return as_json(
        {
            "name": name,
            "credentials": ["authorization", "Bearer {token}"],
            "limit": [1000, 3600],
            "since_param": None,
            "pages": {**paging, "place_param": place, "most": 100},
            "kinds": [_kind(draft, tables) for draft in drafts],
        }
    )


def _kind(draft: Draft, tables: Mapping[str, str]) -> dict[str, Any]:
    columns = draft.columns
    required = [c for c, field in columns_of(draft.into).items() if field.required]
    parents = {
        link.child: tables[link.parent]
        for link in links_of(draft.into)
        if link.child in columns and link.parent in tables
    }
    kind = {
        "name": draft.name,
        "path": f"/{draft.name}",
        "into": draft.into,
        "records": draft.sample.records,
        "id": draft.id,
        "created": columns.get("source_created_at"),
        "version": columns.get("source_updated_at"),
        "required": required,
        "parents": parents,
        "changing": next(_changing(columns)),
        "columns": columns,
        "sample": _with_places(draft, columns),
    }
    return {key: value for key, value in kind.items() if value not in (None, [], {})}


def _changing(columns: Mapping[str, str]) -> Iterator[str]:
    yield from (columns[column] for column in _CHANGING if column in columns)
    yield next(iter(columns.values()), "name")


def _with_places(draft: Draft, columns: Mapping[str, str]) -> dict[str, Any]:
    """The record's shape; what is only a guess gets a place in it."""
    shape: dict[str, Any] = scrubbed(draft.sample.record)
    for place in columns.values():
        if value_at_place(shape, place) is None and "." not in place:
            shape.setdefault(place, None)
    return shape


def test_text(name: str, title: str, above: int, source: str, sandbox: str) -> str:
    """The test; ``above`` folders up is what the two paths are relative to."""
    own = '    own_migrations = HERE / "migrations"\n' if above == 0 else ""
    fixtures = (
        "from tests.conftest import postgres, warehouse, warehouse_template\n"
        if above == 0
        else ""
    )
    exported = (
        '\n__all__ = ["postgres", "warehouse", "warehouse_template"]  # fixtures\n'
        if above == 0
        else ""
    )
    here = "Path(__file__).parent" if above == 0 else f"Path(__file__).parents[{above}]"
    class_name = "".join(word.capitalize() for word in name.split("_"))
    return (
        f'"""{title} equals its sandbox\'s truth."""\n\n'
        "from pathlib import Path\n\n"
        f"{fixtures}from tests.proof.described_source import DescribedSource\n"
        f"{exported}\n"
        f"HERE = {here}\n\n\n"
        f"class Test{class_name}(DescribedSource):\n"
        '    """Full load, increment, deletions, bad records, nothing new."""\n\n'
        f'    source_file = HERE / "{source}"\n'
        f'    described_by = HERE / "{sandbox}"\n{own}'
    )
