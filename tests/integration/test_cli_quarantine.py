"""``quarantine`` and ``rules`` as processes, on a real warehouse and a sandbox."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.sandbox.server import SandboxServer
from tests.integration.cli_shell import SYNC, Shell

OF = ("--source", "genius", "--entity", "appointments")
LIST = ("quarantine", "list", "--json")


@pytest.fixture
def shell(warehouse: str, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(warehouse, sandbox, tmp_path)
    sandbox.move("appointments", "spoil", 4, kind="missing_id")
    sandbox.move("appointments", "spoil", 6, kind="bad_scheduled_date")
    assert made.run(*SYNC, "appointments", "--mode", "full").status == 3
    yield made
    made.close()


def _add_rule(shell: Shell, name: str, rest: str) -> None:
    shell.rows(
        "INSERT INTO ops.sync_validation_rules"
        " (name, source_system, entity_type, field, rule_type, config)"
        f" VALUES ('{name}', 'genius', 'appointments', {rest})"
    )


def _text(shell: Shell, *words: str) -> str:
    out, _ = shell.start("quarantine", "list", *words).communicate(timeout=60)
    return out


def _entries(shell: Shell, *words: str) -> dict[str, Any]:
    done = shell.run(*LIST, *words)
    assert done.status == 0, done.err
    return done.result


def test_the_list_says_what_why_and_where(shell: Shell) -> None:
    both = _entries(shell)
    one = _entries(shell, *OF, "--type", "missing_id", "--limit", "1")
    none = _entries(shell, "--severity", "warning", "--field", "nothing")
    dates = _entries(shell, "--rule", "built-in:timestamp", "--severity", "error")

    assert (both["total"], one["total"], len(one["entries"])) == (10, 4, 1)
    assert none == {"total": 0, "reasons": [], "entries": []}
    assert both["reasons"] == [
        {"count": 6, "source_system": "genius", "entity_type": "appointments",
         "severity": "error", "error_type": "invalid_timestamp",
         "field": "scheduled_date", "rule": "built-in:timestamp"},
        {"count": 4, "source_system": "genius", "entity_type": "appointments",
         "severity": "error", "error_type": "missing_id", "field": "source_id",
         "rule": "built-in:id"},
    ]  # fmt: skip
    assert dates["total"] == 6
    assert {entry["field"] for entry in dates["entries"]} == {"scheduled_date"}
    (entry,) = one["entries"]
    assert entry["rule"] == "built-in:id"
    assert re.fullmatch(
        "page [1-9] of /appointments, [0-9]+ records each", entry["page"]
    )
    assert (entry["seen_count"], entry["retry_count"], entry["job_id"]) == (1, 0, 1)
    assert "record_data" not in entry
    with_data = ("--type", "missing_id", "--data", "--limit", "1")
    (told,) = _entries(shell, *with_data)["entries"]
    assert "prospect_id" in json.loads(told["record_data"])


def test_the_list_for_people_holds_no_data_unless_asked(shell: Shell) -> None:
    plain = _text(shell)
    lines = plain.splitlines()
    assert "prospect_id" not in plain
    assert "without id" in plain
    # The reasons, an empty line, the entries, and how to see one whole.
    assert [line.split()[0] for line in lines[:3]] == ["count", "6", "4"]
    assert len(lines) == 3 + 1 + 11 + 1
    assert max(map(len, lines)) <= 120
    assert "prospect_id" in _text(shell, "--data")
    assert "2 of 10; --limit shows more" in _text(shell, "--limit", "2")


def test_one_entry_is_shown_whole(shell: Shell) -> None:
    (entry,) = _entries(shell, "--type", "missing_id", "--limit", "1")["entries"]

    lines = _text(shell, "--id", str(entry["id"])).splitlines()

    assert lines == [
        f"{key}: {'' if value is None else value}" for key, value in entry.items()
    ]
    missing = shell.run("quarantine", "list", "--id", "999999")
    assert missing.status == 2
    assert "--id: 999999: nothing matches; 10 in all" in missing.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--type", "missing_ids"), "'missing_ids' is there nowhere (did you mean mis"),
        (("--field", "schedule_date"), "nowhere (did you mean scheduled_date?)"),
        (("--rule", "nope"), "--rule 'nope' is there nowhere"),
        (("--severity", "warning"), ""),
    ],
)  # fmt: skip
def test_filters_that_let_nothing_pass_say_what_is_open(
    shell: Shell, words: tuple[str, ...], told: str
) -> None:
    said = _text(shell, *words)

    assert said.startswith("nothing matches; 10 open in all")
    assert told in said
    shell.rows("UPDATE ops.sync_errors SET resolved = true, resolved_at = now()")
    assert _text(shell, *words) == "nothing in quarantine\n"


def test_a_field_is_found_with_and_without_its_table(shell: Shell) -> None:
    shell.rows(
        "UPDATE ops.sync_errors SET field = 'contacts.last_name'"
        " WHERE error_type = 'missing_id'"
    )

    for field in ("last_name", "contacts.last_name"):
        assert _entries(shell, "--field", field)["total"] == 4


def test_data_is_the_records_json(shell: Shell) -> None:
    _add_rule(shell, "warns", """'status', 'max_length', '{"length": 1}'""")
    shell.rows("UPDATE ops.sync_validation_rules SET on_error = 'keep'")
    shell.run(*SYNC, "appointments", "--mode", "replay")
    shell.rows(
        "UPDATE raw.genius_appointments SET payload = payload ||"
        """ jsonb_build_object('note', E'\u00e9 \u001b[31m \u009b31m')"""
    )

    warned = _text(shell, "--rule", "warns", "--data", "--limit", "1")

    line = next(line for line in warned.splitlines() if ": {" in line)
    assert json.loads(line.partition(": ")[2])["note"] == "\u00e9 \x1b[31m \x9b31m"
    assert "\u00e9" in line
    assert line.isprintable()


def test_retry_ends_with_the_line_of_a_sync(shell: Shell) -> None:
    stays = shell.run("quarantine", "retry", *OF)

    assert stays.status == 0
    assert stays.result["records_failed"] == stays.result["records_processed"] == 10
    assert (stays.result["mode"], stays.result["requests"]) == ("reprocess", 0)
    assert stays.result["records_passed"] == 0
    assert "0 of 10 records pass now; 10 stay rejected" in stays.err
    # They did not come again from the source.
    seen = "SELECT DISTINCT seen_count, retry_count, last_seen_at < j.started_at"
    assert shell.rows(
        f"{seen} FROM ops.sync_errors, ops.sync_jobs AS j WHERE job_type = 'reprocess'"
    ) == [(1, 1, True)]

    mended = shell.file.read_text().replace(
        "scheduled_date: scheduled_date", "scheduled_date: created_date"
    )
    shell.file.write_text(mended)
    first = _entries(shell, "--rule", "built-in:timestamp")["entries"][0]["id"]
    one = shell.run("quarantine", "retry", "--id", str(first))
    rest = shell.run("quarantine", "retry", *OF)

    assert (one.status, one.result["records_created"]) == (0, 1)
    assert (rest.result["records_created"], rest.result["records_failed"]) == (5, 4)
    assert _entries(shell)["total"] == 4
    assert _entries(shell, "--all")["total"] == 10


def test_a_retry_may_be_of_one_reason(shell: Shell) -> None:
    some = shell.run("quarantine", "retry", *OF, "--type", "missing_id")
    others = shell.run("quarantine", "retry", *OF, "--field", "scheduled_date")

    assert some.result["records_processed"] == 4
    assert others.result["records_processed"] == 6
    assert shell.rows("SELECT DISTINCT retry_count FROM ops.sync_errors") == [(1,)]


def test_a_retry_of_nothing_makes_no_job(shell: Shell) -> None:
    wrong = shell.run("quarantine", "retry", *OF, "--rule", "built-in:timestam")
    assert (wrong.status, wrong.result["job_id"]) == (0, None)
    assert "10 open in all; --rule 'built-in:timestam' is there nowhere" in wrong.err
    shell.rows("UPDATE ops.sync_errors SET resolved = true, resolved_at = now()")

    none = shell.run("quarantine", "retry", *OF)

    assert (none.status, none.result["status"]) == (0, "success")
    assert (none.result["job_id"], none.result["records_processed"]) == (None, 0)
    assert none.result["entity"] == "appointments"
    assert "nothing in quarantine; nothing was tried" in none.err
    assert shell.rows(
        "SELECT count(*) FROM ops.sync_jobs WHERE job_type = 'reprocess'"
    ) == [(0,)]


def test_new_rejects_are_counted_with_the_way_to_them(shell: Shell) -> None:
    _add_rule(shell, "short", """'status', 'max_length', '{"length": 1}'""")
    done = shell.run(*SYNC, "appointments", "--mode", "replay")

    ((count,),) = shell.rows("SELECT max(new_rejects) FROM ops.sync_jobs WHERE id = 2")
    assert count > 0
    assert (
        f"{count} new rejects: python -m crm_warehouse quarantine list --source genius"
        " --entity appointments"
    ) in done.err


def test_a_killed_retry_is_taken_up_by_the_next(shell: Shell) -> None:
    waits = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE NOT l.granted AND a.datname = current_database()"
    )
    with psycopg.connect(shell.conninfo) as conn:
        # Somebody writes the entity's rows: the retry waits with its first batch.
        conn.execute(
            "SELECT pg_advisory_xact_lock("
            "hashtextextended('crm_warehouse:rows:genius:appointments', 0))"
        )
        process = shell.start("quarantine", "retry", *OF)
        deadline = time.monotonic() + 60
        while shell.rows(waits) == [(0,)]:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()

    done = shell.run("quarantine", "retry", *OF)

    assert (done.status, done.result["records_processed"]) == (0, 10)
    assert shell.rows(
        "SELECT attempt, status FROM ops.sync_jobs WHERE job_type = 'reprocess'"
    ) == [(2, "success")]
    assert shell.rows("SELECT DISTINCT retry_count FROM ops.sync_errors") == [(1,)]


def test_wrong_retries_say_why(shell: Shell) -> None:
    wrong = {
        ("--source", "genius"): "give --source and --entity",
        ("--id", "999999"): "is no open entry",
        (*OF, "--id", "1"): "leave them out",
        ("--id", "1", "--type", "missing_id"): "leave them out",
        ("--source", "genius", "--entity", "leads"): "has no entity",
    }
    for words, reason in wrong.items():
        status, result, err = shell.run("quarantine", "retry", *words)

        assert status == 2
        assert (result["status"], result["job_id"]) == ("failed", None)
        assert reason in err


def test_a_check_tells_what_a_load_would_then_do(shell: Shell) -> None:
    check = ("rules", "check", *OF, "--json")
    to_be = shell.run(
        *check, "--field", "status", "--type", "one_of",
        "--config", '{"values": ["Set", "Sold"]}',
    )  # fmt: skip
    assert to_be.status == 3
    found = to_be.result
    assert found["broken"] > 0
    assert found["refused_otherwise"] == 6
    assert found["rows"] == found["broken"]
    assert len(found["examples"]) == 5
    assert shell.rows("SELECT count(*) FROM ops.sync_validation_rules") == [(0,)]

    _add_rule(
        shell, "known_status", """'status', 'one_of', '{"values": ["Set", "Sold"]}'"""
    )
    stored = shell.run(*check, "--rule", "known_status")
    assert {**stored.result, "rule": None} == {**found, "rule": None}
    replayed = shell.run(*SYNC, "appointments", "--mode", "replay")

    assert replayed.status == 3
    assert replayed.result["records_failed"] == found["broken"] + 6
    assert _entries(shell, "--rule", "known_status")["total"] == found["broken"]
    warned = shell.run(*check, "--rule", "known_status", "--on-error", "keep")
    assert warned.result["broken"] == found["broken"]

    none = shell.run(*check, "--field", "status", "--type", "max_length",
                     "--config", '{"length": 999}')  # fmt: skip
    assert (none.status, none.result["broken"]) == (0, 0)


def test_wrong_checks_say_why(shell: Shell) -> None:
    field = ("--field", "status")
    wrong = {
        (): "give --rule, or --field and --type",
        ("--rule", "x"): "has no rule 'x'",
        ("--rule", "x", *field): "leave it out, or --field",
        (*field, "--type", "nice"): "type must be one of",
        ("--field", "statuss", "--type", "required"): "is not mapped",
        (*field, "--type", "required", "--config", "x"): "no JSON object",
    }
    for words, reason in wrong.items():
        status, _, err = shell.run("rules", "check", *OF, *words)

        assert status == 2
        assert reason in err


def test_the_rules_are_listed_with_mistakes_and_what_they_hold(shell: Shell) -> None:
    _add_rule(shell, "good", """'status', 'one_of', '{"values": ["Set"]}'""")
    shell.run(*SYNC, "appointments", "--mode", "replay")
    fine = shell.run("rules", "list", *OF, "--json")
    assert fine.status == 0
    (good,) = fine.result["rules"]
    assert good["open"] > 0
    assert good["mistake"] is None
    _add_rule(shell, "endless", """'status', 'pattern', '{"pattern": "(a+)+b"}'""")

    wrong = shell.run("rules", "list", "--json")

    assert wrong.status == 2
    told = {rule["name"]: rule["mistake"] for rule in wrong.result["rules"]}
    assert told["good"] is None
    assert "for ever" in told["endless"]
    out, _ = shell.start("rules", "list").communicate(timeout=60)
    assert "wrong: rule endless: config.pattern could take for ever" in out
    lonely = shell.run("rules", "list", "--entity", "appointments")
    assert "--entity: needs --source" in lonely.err
