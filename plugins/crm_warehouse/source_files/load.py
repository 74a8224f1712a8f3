"""Files of sources into frozen objects; every problem of every file at once."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files.containers import load_part
from crm_warehouse.source_files.document import Place, UnreadableError, read_document
from crm_warehouse.source_files.key_places import stray_kinds
from crm_warehouse.source_files.profiles import problems_beside, profiles_in
from crm_warehouse.source_files.schemas import SourceSchema
from crm_warehouse.spec import Source

DIRECTORY_VARIABLE = "CRM_WAREHOUSE_SOURCES"


def default_directory() -> Path:
    """Where the sources are described: the variable's folder, or the repository's."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(__file__).parents[3] / "include" / "sources"


def load_source(path: Path) -> Source:
    """Read one file.

    Raises:
        ConfigurationError: Anything is wrong; one line for each problem.
    """
    try:
        document = read_document(path)
    except UnreadableError as error:
        raise ConfigurationError(f"{_shown(path)}{error}") from None
    source, problems = _load(document.data)
    profiles = {}
    for name, data in profiles_in(document.data):
        profile, found = _load(data)
        if source is not None and profile is not None:
            found += problems_beside(source, profile)
            profiles[name] = replace(profile, profile=name)
        # What is wrong with the source is told once, and there.
        problems += [
            (("profiles", name, *place), text)
            for place, text in found
            if (place, text) not in problems
        ]
    problems += document.problems
    if source is None or problems:
        located = sorted(
            (document.locate(place), place, text) for place, text in problems
        )
        raise ConfigurationError(
            *(_line(path, at, place, text) for at, place, text in located)
        )
    return replace(source, profiles=profiles)


def _load(data: Any) -> tuple[Source | None, list[tuple[Place, str]]]:
    """A source as written, or what is wrong with it."""
    try:
        return load_part(SourceSchema, data), []
    except ValidationError as error:
        return None, list(_flatten(error.messages, ()))


def load_sources(directory: Path) -> dict[str, Source]:
    """Read all ``*.yaml`` files of a folder.

    Returns:
        Sources by name, sorted.

    Raises:
        ConfigurationError: Anything is wrong in any file, or two files clash.
    """
    if not directory.is_dir():
        raise ConfigurationError(
            f"{_shown(directory)}: there is no such folder; set {DIRECTORY_VARIABLE} "
            "to the folder of the source files"
        )
    problems: list[str] = []
    loaded: dict[Path, Source] = {}
    for path in _files(directory):
        try:
            if path.suffix == ".yml":
                problems.append(f"{_shown(path)}: is not read; rename it to .yaml")
                continue
            loaded[path] = load_source(path)
        except ConfigurationError as error:
            problems += error.problems
    problems += _clashes(loaded)
    if not problems and not loaded:
        problems.append(f"{_shown(directory)}: holds no *.yaml file")
    if problems:
        raise ConfigurationError(*problems)
    return {source.name: source for source in sorted(loaded.values(), key=_name)}


def check_kinds(files: list[Path]) -> tuple[list[str], list[str]]:
    """Kinds of known keys that name no entity of these files' sources.

    Args:
        files: Right files; empty: all of the default folder.

    Returns:
        Problems: the source is described, and has no such entity. Warnings, of a whole
        folder only: the source is not described; it may just not be loaded here.
    """
    whole = not files
    loaded = {path: load_source(path) for path in files or _files(default_directory())}
    paths = {source.name: path for path, source in loaded.items()}
    problems: list[str] = []
    warnings: list[str] = []
    for stray in stray_kinds(loaded.values()):
        path = paths[stray.source]
        at = read_document(path).locate(stray.place)
        line = _line(path, at, stray.place, stray.message)
        if stray.is_mistake:
            problems.append(line)
        elif whole:
            warnings.append(f"{line}; what is linked by it dangles")
    return problems, warnings


def _files(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
    )


def _name(source: Source) -> str:
    return source.name


def _clashes(loaded: dict[Path, Source]) -> Iterator[str]:
    """Files that would write the same tables."""
    names: dict[str, Path] = {}
    tables: dict[str, Path] = {}
    for path, source in loaded.items():
        first = names.setdefault(source.name, path)
        if first != path:
            yield (
                f"{_shown(path)}: source: the name {source.name!r} is already used in "
                f"{_shown(first)}"
            )
            continue
        for entity in source.all_entities.values():
            first = tables.setdefault(entity.raw_table, path)
            if first != path:
                yield (
                    f"{_shown(path)}: entities.{entity.name}: the table "
                    f"raw.{entity.raw_table} already belongs to {_shown(first)}; "
                    "rename the entity or the source"
                )


def _flatten(messages: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flatten(inner, place if key == "_schema" else (*place, key))
    else:
        for message in messages:
            yield place, message


def _line(path: Path, at: tuple[int, int], place: Place, message: str) -> str:
    where = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in place
    )
    dotted = f"{where.removeprefix('.')}: " if where else ""
    return f"{_shown(path)}:{at[0]}:{at[1]}: {dotted}{message}"


def _shown(path: Path) -> str:
    """The path as a person in the current folder would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
