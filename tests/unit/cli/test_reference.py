"""The guides to the command line are complete, and promise nothing else."""

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.main import COMMANDS
from crm_warehouse.cli.outcome import Attempt, failed_line
from crm_warehouse.cli.parser import build

DOCS = Path(__file__).parents[3] / "docs"
TEXT = "\n".join(
    (DOCS / name).read_text("utf-8")
    for name in ("command-line.md", "webhook-commands.md")
)


def _parsers(
    parser: ArgumentParser, name: str = ""
) -> Iterator[tuple[str, ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for word, inner in action.choices.items():
                yield from _parsers(inner, f"{name} {word}".strip())


PARSERS = dict(_parsers(build()))
OPTIONS = {
    (name, option)
    for name, parser in PARSERS.items()
    for option in parser._option_string_actions
    if option not in ("-h", "--help")
}
COMMON = {"--log-level", "--log-format", "--debug"}


def _section(command: str) -> str:
    return TEXT.partition(f"\n## `{command}`")[2].partition("\n## ")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section_with_an_example(command: str) -> None:
    assert f"python -m crm_warehouse {command}" in _section(command)


@pytest.mark.parametrize(("command", "option"), sorted(OPTIONS))
def test_every_option_is_described(command: str, option: str) -> None:
    text = TEXT if option in COMMON else _section(command)
    assert re.search(rf"^\| `{option}\b", text, re.MULTILINE)


def test_every_described_option_exists() -> None:
    described = set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE))
    assert described == {option for _, option in OPTIONS}


def test_every_command_that_parses_runs() -> None:
    groups = {name.rpartition(" ")[0] for name in PARSERS}
    assert set(PARSERS) - groups == set(COMMANDS)


def test_exit_statuses_and_result_fields_are_described() -> None:
    for status in Exit:
        assert f"| {status.value} |" in TEXT
    for field in failed_line(Attempt("genius", "prospects", "full"), ()):
        assert f"| `{field}` |" in TEXT
