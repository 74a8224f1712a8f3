"""Case 39: a backup taken in the middle of a load is a warehouse that goes on."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from crm_warehouse.engine import reading
from include.local_stack.postgres import Postgres
from tests.proof.house import House
from tests.proof.oracle import compare


def _call(program: Path, conninfo: str, *words: str) -> None:
    to = conninfo_to_dict(conninfo)
    subprocess.run(
        [program, "-h", str(to["host"]), "-p", str(to["port"]), "-U", str(to["user"]),
         "-d", str(to["dbname"]), *words],
        env={**os.environ, "PGPASSWORD": str(to["password"])},
        check=True,
    )  # fmt: skip


def test_a_dump_of_a_running_load_restored_goes_on(
    postgres: Postgres,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The load goes on beside the dump; the copy resumes it where the dump saw it."""
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)
    dump = str(tmp_path / "warehouse.sql")
    house.sync("users")

    def back_up(result: Any) -> None:
        if result.records_received == 400:
            _call(postgres.program("pg_dump"), house.conninfo, "-f", dump)

    house.sync("prospects", progress=back_up)
    house.sandbox.move("prospects", "change", 30)
    house.sandbox.move("prospects", "delete", 5)

    name = f"restored_{os.getpid()}"
    postgres.create_database(name, "crm_warehouse")
    conninfo = postgres.conninfo(name, "crm_warehouse")
    try:
        _call(
            postgres.program("psql"),
            conninfo,
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            dump,
        )
        _assert_goes_on(House(conninfo, house.sandbox, house.source))
    finally:
        postgres.drop_database(name)


def _assert_goes_on(restored: House) -> None:
    (job,) = restored.rows("SELECT * FROM ops.sync_jobs WHERE entity_type='prospects'")
    assert (job["status"], job["records_created"]) == ("running", 400)
    assert restored.value("SELECT count(*) FROM warehouse.contacts") == 400

    result = restored.sync("prospects")

    assert (result.job_id, result.status) == (job["id"], "success")
    restored.sync("prospects", "full")
    assert not compare(restored.conninfo, restored.sandbox, "prospects")
    assert not compare(restored.conninfo, restored.sandbox, "users")


def test_a_copy_of_the_files_of_a_running_server_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    """As a snapshot of the disk does: the copy's server recovers by itself."""
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 200)
    dbname = str(conninfo_to_dict(house.conninfo)["dbname"])
    home = postgres.home.with_name("copied")
    copied = Postgres(home, postgres._passwords, preferred_port=28433)

    def back_up(result: Any) -> None:
        if result.records_received == 400:
            _copy_files(postgres, home)

    house.sync("prospects", progress=back_up)
    house.sandbox.move("prospects", "change", 30)
    try:
        copied.start()
        conninfo = copied.conninfo(dbname, "crm_warehouse")
        restored = House(conninfo, house.sandbox, house.source)
        (job,) = restored.rows("SELECT * FROM ops.sync_jobs")
        assert (job["status"], job["records_created"]) == ("running", 400)

        result = restored.sync("prospects")

        assert (result.job_id, result.status) == (job["id"], "success")
        restored.sync("prospects", "full")
        assert not compare(restored.conninfo, restored.sandbox, "prospects")
    finally:
        copied.stop()
        shutil.rmtree(home)


def _copy_files(postgres: Postgres, home: Path) -> None:
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as conn:
        conn.execute("SELECT pg_backup_start('copy', true)")
        copy = ["cp", "-a", str(postgres.home), str(home)]
        subprocess.run(copy, check=False, stderr=subprocess.DEVNULL)
        row = conn.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchone()
    assert row is not None
    # What was logged until the end of the backup belongs to it.
    logged = postgres.home / "data" / "pg_wal"
    subprocess.run(
        ["cp", "-a", f"{logged}/.", str(home / "data" / "pg_wal")], check=True
    )
    (home / "data" / "postmaster.pid").unlink()
    label = home / "data" / "backup_label"
    label.write_text(row[0])
    shutil.copystat(home / "data" / "PG_VERSION", label)
    owner = (home / "data" / "PG_VERSION").stat()
    os.chown(label, owner.st_uid, owner.st_gid)
