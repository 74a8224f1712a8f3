"""``new-source``: draft the files of a source that needs no code."""

import os
import re
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from crm_warehouse.cli import drafts
from crm_warehouse.cli.drafts import Draft
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.sample import USUAL_PLACE, Sample, read_sample
from crm_warehouse.cli.sample_words import table_of
from crm_warehouse.engine.migrations import FIRST_OWN, read_folder
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_source, load_sources
from crm_warehouse.source_files.mapping import columns_of
from crm_warehouse.source_files.values import NAME
from crm_warehouse.unified import UNIFIED

ROOT = Path(__file__).parents[3]
_TIME = "2026-01-15T10:30:00Z"
#: ``warehouse__maintenance`` and the like are DAGs that belong to no source.
_TAKEN = ("warehouse",)


@dataclass(frozen=True, slots=True)
class Files:
    """Where the files go.

    Attributes:
        source: The YAML.
        migration: The SQL.
        sandbox: The description of the sandbox's stand-in.
        test: The test.
        above: Folders from the test up to the one that the others are in.
        own: The folder of one's own, or None for the repository.
    """

    source: Path
    migration: Path
    sandbox: Path
    test: Path
    above: int
    own: Path | None

    def all(self) -> Iterator[Path]:
        """Each of them."""
        yield from (self.source, self.migration, self.sandbox, self.test)


def run(words: Namespace) -> int:
    """Write the drafts and say what to do next."""
    name = words.name
    _check_name(name)
    wanted = _drafts(words.entity, words.samples)
    files = _files(name, words.into)
    if there := [str(path) for path in files.all() if path.exists()]:
        raise ConfigurationError(
            *(f"{path}: is there already; nothing was written" for path in there)
        )
    title = name.replace("_", " ").title()
    texts = _texts(files, name, title, wanted)
    _check_source(name, texts[files.source])
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        print(f"wrote {_shown(path)}")
    print(_next_steps(name, wanted, files))
    return Exit.SUCCESS


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise ConfigurationError(
            f"{name!r} is no name: use small letters, digits and single underscores "
            "between them, beginning with a letter, at most 41 characters"
        )
    if name in _TAKEN or name in load_sources(default_directory()):
        raise ConfigurationError(f"the name {name!r} is taken; choose another")


def _drafts(entities: list[str], samples: list[Path]) -> list[Draft]:
    """Entities and samples in pairs, in the order they were given."""
    if len(samples) > max(len(entities), 1):
        raise ConfigurationError(
            "--from: there are more samples than entities; name an --entity for each"
        )
    pairs = zip_longest(entities, samples) if entities or samples else [(None, None)]
    made = [_draft(entity, sample) for entity, sample in pairs]
    names = [draft.name for draft in made]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"--entity: {', '.join(twice)}: named twice")
    return made


def _draft(entity: str | None, path: Path | None) -> Draft:
    sample = read_sample(path) if path else None
    if entity is None:
        last = sample.records.rpartition(".")[2] if sample else "contacts"
        entity = last if table_of(last) and re.fullmatch(NAME, last) else "contacts"
    if not re.fullmatch(NAME, entity):
        raise ConfigurationError(f"--entity: {entity!r} is no name; e.g. contacts")
    table = table_of(entity)
    into = table or "contacts"
    return Draft(entity, into, sample or _invented(into), guessed=table is not None)


def _invented(into: str) -> Sample:
    """A record as simple as can be, where no sample was given."""
    record: dict[str, object] = {"id": 1}
    for column, field in columns_of(into).items():
        kind = field.metadata["kind"]
        if kind in ("json", "boolean", "integer") or column.startswith("source_"):
            continue
        key = column.replace("_source_id", "_id")
        record[key] = {"timestamp": _TIME, "numeric": 1}.get(kind, "text")
    return Sample(USUAL_PLACE, {**record, "created_at": _TIME, "updated_at": _TIME}, {})


def _files(name: str, into: Path | None) -> Files:
    if into is not None:
        folder = into / "migrations"
        return Files(
            source=into / "sources" / f"{name}.yaml",
            migration=folder / f"{_next_number(folder, int(FIRST_OWN))}_{name}.sql",
            sandbox=into / "sandbox.json",
            test=into / f"test_{name}.py",
            above=0,
            own=into,
        )
    folder = ROOT / "sql" / "migrations"
    return Files(
        source=default_directory() / f"{name}.yaml",
        migration=folder / f"{_next_number(folder, 1)}_{name}.sql",
        sandbox=ROOT / "include" / "sandbox" / name / "described.json",
        test=ROOT / "tests" / "integration" / f"test_{name}.py",
        above=2,
        own=None,
    )


def _next_number(folder: Path, first: int) -> str:
    numbers = [int(each.version) for each in read_folder(folder)]
    return f"{max([first - 1, *numbers]) + 1:04d}"


def _texts(files: Files, name: str, title: str, wanted: list[Draft]) -> dict[Path, str]:
    schema = ROOT / "include" / "sources" / "source.schema.json"
    beside = files.test.resolve().parents[files.above]
    within = [
        os.path.relpath(path.resolve(), beside)
        for path in (files.source, files.sandbox)
    ]
    relative = os.path.relpath(schema, files.source.resolve().parent)
    return {
        files.source: drafts.source_text(name, title, wanted, relative),
        files.migration: drafts.migration_text(name, title, wanted),
        files.sandbox: drafts.sandbox_text(name, wanted),
        files.test: drafts.test_text(
            name, title, files.above if files.own is None else 0, *within
        ),
    }


def _check_source(name: str, text: str) -> None:
    """Refuse what the loader would refuse, before anything is written.

    Raises:
        ConfigurationError: E.g. an entity has a name that is taken.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            load_source(path)
        except ConfigurationError as error:
            problems = [each.replace(f"{folder}/", "") for each in error.problems]
            raise ConfigurationError(*problems) from None


def _next_steps(name: str, wanted: list[Draft], files: Files) -> str:
    program = ".venv/bin/python -m crm_warehouse"
    entity = wanted[0].name
    exports = []
    if files.own is not None:
        exports = [
            # Whole paths, for they hold wherever the next command is typed.
            f"export CRM_WAREHOUSE_SOURCES={files.source.parent.resolve()}",
            f"export CRM_WAREHOUSE_MIGRATIONS={files.migration.parent.resolve()}",
        ]
    steps = [
        f"read {_shown(files.source)} and decide what is marked so; then",
        *exports,
        f"{program} validate",
        f"{program} preview --source {name} --entity {entity} --sample <a saved page>",
        f"make {_shown(files.sandbox)} page, filter and log in as the API does; then",
        f".venv/bin/python -m pytest {_shown(files.test)}",
        f"{program} migrate",
        f"add the connection {name}_default (type crm_rest); then",
        f"{program} sync --source {name} --entity {entity}",
    ]
    tables = ", ".join(sorted({draft.into for draft in wanted}))
    unknown = [draft.name for draft in wanted if not draft.guessed]
    doubt = (
        f"\n{', '.join(unknown)}: no unified table is called so; contacts is a guess,"
        f" there are {', '.join(UNIFIED)}"
        if unknown
        else ""
    )
    listed = "\n".join(f"  {step}" for step in steps)
    return f"fills {tables}{doubt}\nnext (docs/add-a-source.md):\n{listed}"


def _shown(path: Path) -> str:
    """The path as a person in the current folder would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
