"""The statements of sql/receiver: explained, used, and complete."""

import re
from pathlib import Path

import pytest

from webhook_receiver.statements import FOLDER

ROOT = Path(__file__).parents[3]
FILES = sorted(FOLDER.glob("*.sql"))
USED = re.compile(r'statement\("(\w+)"\)')


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_statement_begins_with_what_it_does(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    head = [line for line in lines if line.startswith("-- ")]

    assert lines[: len(head)] == head
    assert "Returns" in " ".join(head)


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    code = (path.read_text("utf-8") for path in ROOT.glob("webhook_receiver/*.py"))
    used = {name for text in code for name in USED.findall(text)}

    assert used == {path.stem for path in FILES}
