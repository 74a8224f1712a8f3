"""What the docs say exists, and what exists is in the docs."""

import inspect
import re
import shlex
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from repository_files import ROOT, fences, guide_text, guides

from crm_warehouse import errors
from crm_warehouse.cli.parser import parse
from crm_warehouse.source_files import default_directory, load_source

OPERATIONS = ROOT / "docs" / "operations.md"
SOURCES = sorted(default_directory().glob("*.yaml"))
ERRORS = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.CrmWarehouseError)
]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:\.venv/bin/)?python -m crm_warehouse\b([^`\n]*)")


def _mentions(text: str, words: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(words)}(?!\w)", text) is not None


def _targets() -> list[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)


def _tables() -> list[str]:
    migrations = sorted((ROOT / "sql" / "migrations").glob("*.sql"))
    text = "\n".join(path.read_text("utf-8") for path in migrations)
    return re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)", text, re.MULTILINE)


def _error_types() -> set[str]:
    engine = (ROOT / "plugins" / "crm_warehouse" / "engine").glob("*.py")
    text = "\n".join(path.read_text("utf-8") for path in engine)
    direct = re.findall(r'(?:Problem|UnusableValueError)\(\s*"(\w+)"', text)
    derived = re.findall(r'^ +"(invalid_\w+)",$', text, re.MULTILINE)
    return {*direct, *derived}


@pytest.mark.parametrize("target", _targets())
def test_every_make_target_is_described(target: str) -> None:
    assert _mentions(guide_text(), f"make {target}")


def test_every_make_target_in_the_guides_exists() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", guide_text()))

    assert named
    assert named <= set(_targets())


def test_every_table_is_mentioned() -> None:
    tables, text = _tables(), guide_text()

    assert "ops.sync_jobs" in tables
    assert "warehouse.contacts" in tables
    assert not [name for name in tables if not _mentions(text, name)]


def test_every_source_and_entity_is_mentioned() -> None:
    text = guide_text()
    entities = [
        entity for path in SOURCES for entity in load_source(path).entities.values()
    ]

    assert entities
    for entity in entities:
        assert _mentions(text, entity.dag_id)
        assert _mentions(text, f"raw.{entity.raw_table}")
        assert _mentions(text, f"warehouse.{entity.into}")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_says_what_to_do(error: type[errors.CrmWarehouseError]) -> None:
    text = OPERATIONS.read_text("utf-8")

    assert _mentions(text, error.__name__)
    assert f"| `{error.category}` |" in text


def test_every_reason_of_a_reject_or_warning_is_explained() -> None:
    text, types = OPERATIONS.read_text("utf-8"), _error_types()

    assert {"missing_id", "invalid_email", "refused_by_warehouse"} <= types
    assert not [name for name in types if f"`{name}`" not in text]


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert decisions
    assert not [path.name for path in decisions if path.name not in index]


@pytest.mark.parametrize(
    "guide", guides(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_relative_link_leads_somewhere(guide: Path) -> None:
    broken = []
    for link in _LINK.findall(guide.read_text("utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (guide.parent / name).resolve() if name else guide
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)

    assert not broken


def _anchors(guide: Path) -> set[str]:
    headings = _HEADING.findall(guide.read_text("utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def test_every_named_file_exists() -> None:
    folders = r"(?:dags|plugins|include|sql|tests|docs)"
    for guide in guides():
        for path in re.findall(rf"`({folders}/[\w./-]+)`", guide.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{guide.name}: {path}"


def test_every_named_test_exists() -> None:
    code = "\n".join(path.read_text("utf-8") for path in ROOT.glob("tests/**/*.py"))
    for guide in (ROOT / "README.md", ROOT / "docs" / "architecture.md"):
        text = guide.read_text("utf-8")
        functions = re.findall(r"\b(test_\w+)\b(?!\.py|/)", text)
        classes = re.findall(r"\b(Test[A-Z]\w+)\b", text)
        assert functions
        assert not [name for name in functions if f"def {name}(" not in code]
        assert not [name for name in classes if f"class {name}:" not in code]


def test_every_query_of_the_guides_runs(warehouse: str) -> None:
    blocks = [block for guide in guides() for block in fences(guide, "sql")]
    assert len(blocks) > 10
    with psycopg.connect(warehouse) as conn:
        for block in blocks:
            conn.execute(block.encode())
            conn.rollback()


def test_the_first_daily_question_finds_a_failure_behind_later_jobs(
    warehouse: str,
) -> None:
    first = fences(OPERATIONS, "sql")[0]
    jobs = [("full", "failed"), ("incremental", "success"), ("reprocess", "success")]

    with psycopg.connect(warehouse) as conn:
        for job in jobs:
            conn.execute(
                "INSERT INTO ops.sync_jobs (source_system, entity_type, job_type, via,"
                " status, triggered_by) VALUES ('s', 'e', %s, 'api', %s, 'cli')",
                job,
            )
        answer = conn.execute(first).fetchall()

    assert [row[2:4] for row in answer] == jobs


def _commands() -> list[str]:
    found = []
    for guide in guides():
        text = guide.read_text("utf-8").replace("\\\n", " ")
        for words in _COMMAND.findall(text):
            # What the shell takes away: a comment, a redirection, a pipe, a `$(`.
            line = re.split(r"\s#|\s\d?>|\||;|\)", words)[0].strip()
            if line and not re.search(r"[<…\[]|\.\.\.", line):
                found.append(line)
    return found


def test_every_command_of_the_guides_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = _commands()
    assert len(commands) > 5
    monkeypatch.chdir(tmp_path)
    for command in commands:
        words = shlex.split(command)
        if "--help" in words:
            continue
        for option, value in pairwise(words):
            if option in ("--sample", "--from"):
                (tmp_path / value).write_text("{}")
        assert parse(words).command, command
