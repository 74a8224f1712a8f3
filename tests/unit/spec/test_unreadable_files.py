"""Files that are no source at all: what is said, and where."""

from pathlib import Path

import pytest
from source_yaml import SMALL, problems_of, write


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "acme.yaml:1:1: must be a mapping, not nothing"),
        (b"- a\n", "acme.yaml:1:1: must be a mapping, not a list"),
        (
            b"a: \xe9\n",
            "acme.yaml: byte 4 is not UTF-8; save the file as UTF-8",
        ),
        (b"a: \x00\n", "acme.yaml: holds a character that YAML forbids"),
        (b"a: &a [*a]\n", "acme.yaml: is nested too deeply, or contains itself"),
    ],
)
def test_a_file_that_is_no_source_at_all(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "acme.yaml"
    path.write_bytes(content)

    assert problems_of(path)[0] == message


@pytest.mark.parametrize(
    "content", ["a: [1\n", "a: 'b\n", "a: b: c\n", "a: *b\n", "\t-"]
)
def test_wrong_syntax_is_said_with_its_place(tmp_path: Path, content: str) -> None:
    lines = problems_of(write(tmp_path, content))

    assert len(lines) == 1
    assert lines[0].startswith(("acme.yaml:1:", "acme.yaml:2:"))
    assert ": is not valid YAML: " in lines[0]


def test_two_documents_in_a_file_are_refused(tmp_path: Path) -> None:
    lines = problems_of(write(tmp_path, f"{SMALL}---\n{SMALL}"))

    assert "expected a single document" in lines[0]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "gone.yaml") == ["gone.yaml: there is no such file"]


def test_a_folder_in_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").mkdir()

    assert problems_of(tmp_path / "acme.yaml") == [
        "acme.yaml: cannot be read: Is a directory"
    ]
