"""``validate``: are the source files right, and do the tables agree with them?"""

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from crm_warehouse import connections
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.words import hint
from crm_warehouse.clients.registry import CLIENTS
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import (
    check_kinds,
    default_directory,
    forecast,
    json_schema,
    load_source,
    load_sources,
)
from crm_warehouse.spec import Source


def run(words: Namespace) -> int:
    """Print one line for each problem and warning."""
    if words.schema:
        return _print_schema(words.files)
    sources, problems = _load(words.files)
    problems += _unknown_clients(sources)
    warnings = [line for source in sources for line in forecast(source)]
    if not problems:
        found, more = check_kinds(words.files)
        problems += found
        warnings += more
    if not problems:
        found, more, told = _compare(sources, whole=not words.files)
        problems += found
        warnings += more
        print(told)
    for line in warnings:
        print(f"warning: {line}")
    for line in problems:
        print(f"error: {line}")
    if not problems:
        print(f"valid: {', '.join(_summaries(sources))}")
    return Exit.USAGE if problems else Exit.SUCCESS


def _print_schema(files: list[Path]) -> int:
    if files:
        raise ConfigurationError("--schema: checks no files; leave the files out")
    print(json.dumps(json_schema(), indent=2))
    return Exit.SUCCESS


def _load(files: list[Path]) -> tuple[list[Source], list[str]]:
    if not files:
        try:
            return list(load_sources(default_directory()).values()), []
        except ConfigurationError as error:
            return [], list(error.problems)
    sources: list[Source] = []
    problems: list[str] = []
    for path in files:
        try:
            sources.append(load_source(path))
        except ConfigurationError as error:
            problems += error.problems
    return sources, problems


def _unknown_clients(sources: list[Source]) -> Iterator[str]:
    known = sorted(CLIENTS)
    for source in (each for one in sources for each in (one, *one.profiles.values())):
        if source.client not in CLIENTS:
            name = " ".join(filter(None, (source.name, source.profile)))
            yield (
                f"source {name}: client {source.client!r} is unknown"
                f"{hint(source.client, known)}; known are {', '.join(known)}"
            )


def _compare(sources: list[Source], *, whole: bool) -> tuple[list[str], list[str], str]:
    """Problems and warnings of the tables, and whether they were looked at."""
    if not _is_known("crm_warehouse"):
        why = connections.unknown("crm_warehouse")
        return [], [], f"tables: not compared, because {why}"
    # Only here: files are checked without the driver of the database.
    from crm_warehouse.cli.drift import find_drift

    compared, problems, warnings = find_drift(sources, whole=whole)
    told = "compared with the warehouse" if compared else "not compared: see the error"
    return problems, warnings, f"tables: {told}"


def _is_known(conn_id: str) -> bool:
    try:
        return connections.look_up(conn_id) is not None
    except ConfigurationError:
        return True  # the comparison says what is wrong with it


def _summaries(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        yield f"{source.name} ({len(source.entities)} entities)"
