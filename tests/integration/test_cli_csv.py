"""``sync --via csv`` and ``preview --file`` as processes; imports that are killed."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import SYNC, Shell

ROWS = 20_000
BAD = b"id;first name;city\n1;Ada;London\n2;Bo;Bath;UK\n3;C\xe9line;\n"


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    yield made
    made.close()


def test_a_file_is_imported_and_reported(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "march.csv"
    path.write_bytes(BAD)

    process = shell.start(*SYNC, "contacts", "--via", "csv", "--file", str(path))
    out, err = process.communicate(timeout=120)

    assert process.returncode == 3, err
    *report, line = out.splitlines()
    result = json.loads(line)
    assert (result["status"], result["entity"]) == ("partial", "prospects")
    assert (result["records_created"], result["records_failed"]) == (2, 1)
    text = "\n".join(report)
    assert "march.csv: genius prospects, partial, job 1" in text
    assert "cp1252, cells divided by ;" in text
    assert "it is not valid UTF-8, so Windows-1252 is assumed" in text
    assert "line 3: 4 cells, and the header names 3 (too_many_cells)" in text
    assert "Bath" not in out + err
    again = shell.run(*SYNC, "contacts", "--via", "csv", "--file", str(path))
    assert again.status == 0
    assert again.result["records_processed"] == 0
    assert "imported before, by job 1" in again.result["notes"][0]


def test_killed_in_the_middle_it_goes_on_and_loads_each_row_once(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "many.csv"
    rows = "".join(f'{n},"Ada\n{n}",x{n}@example.com\n' for n in range(1, ROWS + 1))
    path.write_text(f"id,first_name,email\n{rows}")
    words = (*SYNC, "prospects", "--via", "csv", "--file", str(path))

    process = shell.start(*words)
    with psycopg.connect(shell.conninfo, autocommit=True) as conn:
        deadline = time.monotonic() + 120
        while not _processed(conn):
            assert time.monotonic() < deadline
    process.kill()
    process.wait()
    with psycopg.connect(shell.conninfo, autocommit=True) as conn:
        before = _processed(conn)
    done = shell.run(*words)

    assert 0 < before < ROWS
    assert done.status == 0
    assert done.result["records_processed"] == done.result["records_created"] == ROWS
    assert done.result["records_repeated"] == 0
    with psycopg.connect(shell.conninfo) as conn:
        [held] = conn.execute(
            "SELECT count(*), count(DISTINCT source_id), max(version_count)"
            " FROM warehouse.contacts,"
            " (SELECT max(attempt) AS version_count FROM ops.sync_jobs) AS j"
        ).fetchall()
    assert held == (ROWS, ROWS, 2)


def test_preview_shows_records_of_a_file(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "march.csv"
    path.write_bytes(BAD)
    words = ("preview", "--source", "genius", "--entity", "prospects", "--json")

    process = shell.start(*words, "--file", str(path), "--limit", "2")
    out, err = process.communicate(timeout=120)

    assert process.returncode == 3, err
    first, second = json.loads(out)["records"]
    assert first["row"]["city"] == "London"
    assert second["reject"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--via", "csv"], "--via csv: needs --file"),
        (["--file", "x.csv"], "--file: goes with --via csv, not api"),
        (["--snapshot"], "--snapshot: goes with --via csv, not api"),
        (["--via", "csv", "--file", "nobody.csv"], "No such file"),
        (
            ["--via", "csv", "--file", "x.csv", "--mode", "full"],
            "a file never deletes by itself; give --snapshot",
        ),
    ],
)
def test_options_that_do_not_go_together(
    shell: Shell, words: list[str], message: str
) -> None:
    done = shell.run(*SYNC, "prospects", *words)

    assert done.status == 2
    assert message in done.err


def _processed(conn: "psycopg.Connection[tuple[int]]") -> int:
    row = conn.execute("SELECT max(records_processed) FROM ops.sync_jobs").fetchone()
    return (row and row[0]) or 0
