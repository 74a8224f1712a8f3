"""docs/transactions.md names every statement that writes, and no other."""

import re

from repository_files import ROOT

PAGE = ROOT / "docs" / "transactions.md"
WRITES = re.compile(r"^\s*(?:\w+ AS \()?\s*(?:INSERT INTO|UPDATE|DELETE FROM)\b", re.M)
NAMES = re.compile(r"`(\w+)`")


def body(text: str) -> str:
    return "\n".join(x for x in text.splitlines() if not x.lstrip().startswith("--"))


def test_every_statement_that_writes_is_audited() -> None:
    files = {path.stem: path for path in (ROOT / "sql" / "engine").glob("*.sql")}
    writing = {n for n, path in files.items() if WRITES.search(body(path.read_text()))}
    rows = [x for x in PAGE.read_text().splitlines() if x.startswith("| ")]
    cells = [row.split("|")[2] for row in rows]
    named = {name for cell in cells for name in NAMES.findall(cell)}

    assert writing, "no statement was found"
    assert writing - named == set()
    assert named - writing == set()
