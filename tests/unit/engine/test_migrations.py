"""Migrations: each file once, in order, whole; a file that was changed is refused."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from engine_load import Connection, rows

from crm_warehouse.engine.migrations import migrate, read_folder
from crm_warehouse.engine.queries import SQL_FOLDER
from crm_warehouse.errors import ConfigurationError
from include.local_stack.postgres import Postgres

APPLIED = "SELECT name FROM crm_migrations.applied ORDER BY version"
FIRST = "CREATE TABLE one (n integer);\nINSERT INTO one VALUES (1);"
MIGRATE = (
    "import sys; from pathlib import Path;"
    "from crm_warehouse.engine.migrations import migrate;"
    "print('ready', flush=True);"
    "sys.stdin.readline();"
    "print(len(migrate(sys.argv[1], Path(sys.argv[2]))))"
)


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """Connection string of a database without anything in it."""
    name = "migrations_test"
    postgres.create_database(name, "crm_warehouse")
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture
def db(empty: str) -> Iterator[Connection]:
    with psycopg.connect(empty, autocommit=True) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    return tmp_path


def test_files_are_applied_in_order_and_once(
    empty: str, db: Connection, folder: Path
) -> None:
    (folder / "0010_third.sql").write_text("INSERT INTO two SELECT n FROM one;")
    (folder / "0002_second.sql").write_text("CREATE TABLE two (n integer);")
    (folder / "notes.txt").write_text("no migration")

    assert migrate(empty, folder) == [
        "0001_first.sql",
        "0002_second.sql",
        "0010_third.sql",
    ]
    assert migrate(empty, folder) == []
    assert rows(db, "SELECT n FROM two") == [(1,)]

    (folder / "0003_between.sql").write_text("INSERT INTO two VALUES (3);")
    assert migrate(empty, folder) == ["0003_between.sql"]
    assert len(rows(db, APPLIED)) == 4


def test_a_changed_file_is_refused(empty: str, db: Connection, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0001_first.sql").write_text(FIRST + " ")
    (folder / "0002_second.sql").write_text("CREATE TABLE two (n integer);")

    with pytest.raises(ConfigurationError, match=r"0001_first.sql was changed"):
        migrate(empty, folder)
    assert rows(db, APPLIED) == [("0001_first.sql",)]


def test_a_database_that_is_newer_is_refused(
    empty: str, db: Connection, folder: Path
) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE two (n integer);")
    migrate(empty, folder)
    (folder / "0002_second.sql").unlink()

    with pytest.raises(ConfigurationError, match="migration 0002, which this checkout"):
        migrate(empty, folder)


@pytest.mark.parametrize(
    "name",
    ["1_short.sql", "0002-dash.sql", "0002_Upper.sql", "second.sql", "0002_.sql"],
)
def test_a_bad_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(ConfigurationError, match=f"{name}: name it like 0042_"):
        read_folder(folder)


def test_a_number_is_given_once(folder: Path) -> None:
    (folder / "0001_second.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigurationError, match="two files are numbered 0001"):
        read_folder(folder)


def test_migrations_of_your_own_come_besides(
    empty: str,
    db: Connection,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "9001_mine.sql").write_text("CREATE TABLE mine (n integer);")
    monkeypatch.setenv("CRM_WAREHOUSE_MIGRATIONS", str(own))
    assert migrate(empty, folder) == ["0001_first.sql", "9001_mine.sql"]
    (folder / "0002_release.sql").write_text("CREATE TABLE two (n integer);")
    assert migrate(empty, folder) == ["0002_release.sql"]

    monkeypatch.delenv("CRM_WAREHOUSE_MIGRATIONS")
    with pytest.raises(ConfigurationError, match="set CRM_WAREHOUSE_MIGRATIONS to its"):
        migrate(empty, folder)

    (own / "0042_mine.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigurationError, match="number it from 9001 on"):
        migrate(empty, folder, own=own)
    with pytest.raises(ConfigurationError, match="there is no such folder"):
        migrate(empty, folder, own=tmp_path / "nowhere")
    assert rows(db, "SELECT count(*) FROM crm_migrations.applied") == [(3,)]


def test_a_failing_file_leaves_nothing_of_itself(
    empty: str, db: Connection, folder: Path
) -> None:
    (folder / "0002_broken.sql").write_text(
        "CREATE TABLE two (n integer);\nINSERT INTO one VALUES (2);\nSELECT 1 / 0;"
    )
    (folder / "0003_after.sql").write_text("CREATE TABLE three (n integer);")

    with pytest.raises(
        ConfigurationError, match=r"0002_broken.sql: .*division by zero"
    ):
        migrate(empty, folder)
    assert rows(db, APPLIED) == [("0001_first.sql",)]
    assert rows(db, "SELECT n FROM one") == [(1,)]
    assert rows(db, "SELECT to_regclass('two'), to_regclass('three')") == [(None, None)]

    (folder / "0002_broken.sql").write_text("CREATE TABLE two (n integer);")
    assert migrate(empty, folder) == ["0002_broken.sql", "0003_after.sql"]


def test_a_table_in_use_ends_the_wait_and_changes_nothing(
    empty: str, db: Connection, folder: Path
) -> None:
    migrate(empty, folder)
    (folder / "0002_locks.sql").write_text(
        "CREATE TABLE two (n integer);\nALTER TABLE one ADD COLUMN m integer;"
    )
    with psycopg.connect(empty) as reader:
        reader.execute("SET idle_in_transaction_session_timeout = '20s'")
        reader.execute("SELECT * FROM one")
        began = time.monotonic()
        with pytest.raises(ConfigurationError, match=r"0002_locks.sql: .*lock timeout"):
            migrate(empty, folder)
        assert 4 < time.monotonic() - began < 20
    assert rows(db, "SELECT to_regclass('two')") == [(None,)]
    assert migrate(empty, folder) == ["0002_locks.sql"]


def test_processes_at_once_apply_every_file_once(
    empty: str, db: Connection, folder: Path
) -> None:
    for number in range(2, 12):
        text = f"INSERT INTO one VALUES ({number}); SELECT pg_sleep(0.02);"
        (folder / f"{number:04d}_more.sql").write_text(text)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = sorted(int(process.communicate(timeout=60)[0]) for process in processes)

    assert [process.returncode for process in processes] == [0, 0]
    assert counts == [0, 11]
    assert rows(db, "SELECT count(*), count(DISTINCT n) FROM one") == [(11, 11)]


def test_the_real_files_have_numbers_names_and_comments() -> None:
    found = read_folder(SQL_FOLDER / "migrations")

    assert len(found) > 20
    for migration in found:
        head = migration.text.splitlines()[:3]
        assert head[0].startswith("-- "), migration.name
        assert "one transaction" in " ".join(head), migration.name


def test_definitions_by_api_are_kept_from_what_ran_before(
    empty: str, db: Connection, tmp_path: Path
) -> None:
    files = sorted((SQL_FOLDER / "migrations").glob("*.sql"))
    for file in files:
        if file.name < "0025":
            shutil.copy(file, tmp_path)
    migrate(empty, tmp_path)
    for via in ("api", "csv"):
        db.execute(
            "WITH job AS (INSERT INTO ops.sync_jobs"
            " (source_system, entity_type, job_type, via, status, triggered_by)"
            " VALUES ('crm', %(via)s, 'full', %(via)s, 'running', 'cli') RETURNING id)"
            " INSERT INTO ops.source_specs (source_system, entity_type, spec, job_id)"
            " SELECT 'crm', %(via)s, jsonb_build_object('by', %(via)s::text), id"
            " FROM job",
            {"via": via},
        )

    migrate(empty)

    kept = "SELECT entity_type, api_spec FROM ops.source_specs ORDER BY 1"
    assert rows(db, kept) == [("api", {"by": "api"}), ("csv", None)]
