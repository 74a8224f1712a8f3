"""``migrate``, and ``validate`` where files and tables disagree."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.local_stack.postgres import Postgres
from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import GENIUS, Shell


@pytest.fixture
def empty(
    postgres: Postgres, sandbox: SandboxServer, tmp_path: Path
) -> Iterator[Shell]:
    """A database without a single table."""
    name = f"empty_{secrets.token_hex(6)}"
    postgres.create_database(name, "crm_warehouse")
    made = Shell(postgres.conninfo(name, "crm_warehouse"), sandbox, tmp_path)
    yield made
    made.close()
    postgres.drop_database(name)


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    yield made
    made.close()


def _said(shell: Shell) -> tuple[int, str]:
    process = shell.start("validate")
    out, err = process.communicate(timeout=60)
    assert err == ""
    return process.returncode, out


def test_without_tables_everything_says_migrate(empty: Shell) -> None:
    status, result, err = empty.run("sync", "--source", "genius", "--entity", "users")
    assert (status, result["job_id"]) == (2, None)
    assert "run `python -m crm_warehouse migrate`" in err
    status, said = _said(empty)
    assert status == 2
    assert "run `python -m crm_warehouse migrate`" in said


def test_migrate_names_what_it_applied_and_then_nothing(empty: Shell) -> None:
    out, _ = empty.start("migrate").communicate(timeout=60)
    assert out.startswith("applied 0001_ops.sql\napplied 0002_")
    out, _ = empty.start("migrate").communicate(timeout=60)
    assert out == "up to date\n"
    assert _said(empty)[0] == 0


def test_a_missing_migration_is_named(empty: Shell) -> None:
    empty.run("migrate")
    empty.rows("DELETE FROM crm_migrations.applied WHERE version > '0002'")
    empty.rows("DROP SCHEMA raw CASCADE")
    status, said = _said(empty)
    assert status == 2
    assert "lacks 0003_genius.sql" in said
    assert "compared with" not in said


def test_agreement_writes_nothing(shell: Shell) -> None:
    status, said = _said(shell)

    assert status == 0
    assert "tables: compared with the warehouse" in said
    assert shell.rows("SELECT id FROM ops.sync_configurations") == []
    assert shell.rows("SELECT id FROM ops.audit_log") == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE raw.genius_users", "there is no table raw.genius_users"),
        (
            "ALTER TABLE warehouse.contacts RENAME COLUMN city TO town",
            "map fills warehouse.contacts.city, which is no column",
        ),
        (
            "ALTER TABLE warehouse.contacts ALTER zip TYPE integer USING NULL",
            "warehouse.contacts.zip is of type integer, but text comes in",
        ),
        (
            "INSERT INTO ops.sync_configurations"
            " (name, source_system, entity_type, config) VALUES"
            " ('genius__users', 'genius', 'users', '{\"batch_size\": 5000}')",
            "genius__users: config.batch_size: ",
        ),
    ],
)
def test_disagreement_is_a_problem(shell: Shell, statement: str, said: str) -> None:
    shell.rows(statement)

    status, out = _said(shell)

    assert status == 2
    assert out.count("error: ") == 1
    assert said in out


def test_switched_off_is_a_warning(shell: Shell) -> None:
    shell.rows(
        "INSERT INTO ops.sync_configurations"
        " (name, source_system, entity_type, is_active)"
        " VALUES ('genius__users', 'genius', 'users', false)"
    )

    status, out = _said(shell)

    assert status == 0
    assert "warning: genius__users is switched off" in out


def test_a_new_column_of_the_file_is_seen(shell: Shell) -> None:
    shell.file.write_text(
        GENIUS.replace("  marketing_sources:\n", "  campaigns:\n"), "utf-8"
    )

    status, out = _said(shell)

    assert status == 2
    assert "there is no table raw.genius_campaigns" in out
    assert "sql/migrations" in out


@pytest.mark.parametrize(
    ("source", "entity", "field", "mistake"),
    [
        (
            "genius",
            "prospects",
            "statee",
            "'statee' is not mapped (did you mean state?)",
        ),
        (
            "genius",
            "prospectz",
            "state",
            "no entity 'prospectz' (did you mean prospects?)",
        ),
        (
            "genius",
            "contacts",
            "state",
            "'contacts' is an alias; write entity_type 'pros",
        ),
        ("genus", "prospects", "state", "no source 'genus' (did you mean genius?)"),
    ],
)
def test_a_wrong_rule_is_a_problem(
    shell: Shell, source: str, entity: str, field: str, mistake: str
) -> None:
    shell.rows(
        "INSERT INTO ops.sync_validation_rules"
        " (name, source_system, entity_type, field, rule_type)"
        f" VALUES ('wrong', '{source}', '{entity}', '{field}', 'required')"
    )

    status, out = _said(shell)
    listed, _ = shell.start("rules", "list").communicate(timeout=60)

    assert status == 2
    assert out.count("error: ") == 1
    assert "error: rule wrong: " in out
    assert mistake in out
    assert mistake in listed
    shell.rows("UPDATE ops.sync_validation_rules SET is_active = false")
    assert _said(shell)[0] == 0


def test_only_rules_of_the_files_named_are_looked_at(shell: Shell) -> None:
    shell.rows(
        "INSERT INTO ops.sync_validation_rules"
        " (name, source_system, entity_type, field, rule_type)"
        " VALUES ('other', 'hubspot', 'deals', 'x', 'required')"
    )
    process = shell.start("validate", str(shell.file))
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "other" not in out
