"""The parts of ``make demo`` that need no Airflow."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.cli.local_variables import adopt_local_variables
from crm_warehouse.connections import Connection, base_url, conninfo, find
from crm_warehouse.connections.webhooks import webhook_owner
from crm_warehouse.engine.migrations import migrate
from crm_warehouse.sealing import seal_connections
from crm_warehouse.source_files import default_directory, load_sources
from include.local_stack import (
    __main__,
    bootstrap,
    demo,
    demo_guard,
    demo_report,
    secret_files,
)
from include.local_stack.demo_runs import Runs
from include.local_stack.demo_sandbox import (
    RECEIVER,
    SANDBOX,
    WEBHOOK_SECRET,
    with_sandbox,
)
from include.local_stack.demo_screen import Screen
from include.local_stack.demo_webhooks import Round
from include.local_stack.errors import StackError
from include.local_stack.hand_over import hand_over
from include.local_stack.health import Checker
from include.local_stack.ports import choose
from include.local_stack.settings import StackSettings
from include.local_stack.stack import Stack
from include.local_stack.state import State
from webhook_receiver import settings as receiver_settings

SOURCES = list(load_sources(default_directory()).values())
PORTS = {"ui": 1, "execution": 2, "postgres": 3, SANDBOX: 4, RECEIVER: 5}


@pytest.fixture
def settings() -> Iterator[StackSettings]:
    """A stack's settings in a folder that the database's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="crm-demo-"))
    folder.chmod(0o755)
    preferred = {"ui": 28080, "execution": 28180, "postgres": 25533}
    yield StackSettings(var=folder / "var", preferred_ports=preferred)
    shutil.rmtree(folder)


def test_every_source_of_the_sandbox_gets_a_connection(settings: StackSettings) -> None:
    made = with_sandbox(settings, SOURCES, 10).more_environment(PORTS)

    connections = {s.connection for s in SOURCES} | {"genius_database"}
    assert set(made) == {
        "CRM_WAREHOUSE_DROP",
        *(f"AIRFLOW_CONN_{each.upper()}" for each in connections),
    }
    assert made["CRM_WAREHOUSE_DROP"].startswith(str(settings.var))
    for source in SOURCES:
        environ = {**made, "CRM_WAREHOUSE_ENV": "dev"}
        url = base_url(find(source.connection, environ), source.base_url, environ)
        assert f"{url}/".startswith(f"http://127.0.0.1:4/{source.name}/")


def _hubspot(settings: StackSettings, ports: dict[str, int]) -> Connection:
    environ = with_sandbox(settings, SOURCES, 10).more_environment(ports)
    return find("hubspot_default", {**environ, "CRM_WAREHOUSE_ENV": "dev"})


def test_the_receiver_and_the_merge_know_the_sandbox_by_its_connection(
    settings: StackSettings,
) -> None:
    hubspot = _hubspot(settings, PORTS)
    environ = {
        "AIRFLOW_CONN_HUBSPOT_DEFAULT": hubspot.as_json(),
        "AIRFLOW_CONN_CRM_WAREHOUSE": "postgres://u:p@127.0.0.1/w",
        "CRM_WAREHOUSE_ENV": "dev",
    }

    sender = receiver_settings.from_environment(["hubspot"], environ).senders["hubspot"]

    assert sender.active(0) == (WEBHOOK_SECRET.encode(),)
    assert sender.public_url == "http://127.0.0.1:5"
    assert webhook_owner(hubspot) == {"portal_id": "24601", "app_id": "9001"}


def test_a_stack_without_receiver_has_no_webhook_settings(
    settings: StackSettings,
) -> None:
    ports = {name: port for name, port in PORTS.items() if name != RECEIVER}

    assert dict(_hubspot(settings, ports).extra) == {}


@pytest.mark.parametrize(
    ("prospects", "sizes"),
    [
        (1, ["hubspot=1", "marketsharp=1", "activeprospect=1"]),
        (3_000, ["hubspot=2000", "marketsharp=1000", "activeprospect=1000"]),
        (50_000, ["hubspot=20000", "marketsharp=3000", "activeprospect=10000"]),
    ],
)
def test_the_other_crms_are_in_proportion_and_fit_into_their_quotas(
    settings: StackSettings, prospects: int, sizes: list[str]
) -> None:
    (part,) = with_sandbox(settings, SOURCES, prospects).more_processes(PORTS, {})

    given = dict(zip(part.argv, part.argv[1:], strict=False))
    assert given["--prospects"] == str(prospects)
    assert [after for word, after in pairwise(part.argv) if word == "--size"] == sizes


def test_only_dev_may_speak_plain_http(settings: StackSettings) -> None:
    with pytest.raises(StackError, match="Unset that variable"):
        with_sandbox(replace(settings, environment="prod"), SOURCES, 10)


def test_the_sandbox_part_runs_and_is_healthy(settings: StackSettings) -> None:
    ports = {**PORTS, SANDBOX: choose("sandbox", 28999)}
    more = with_sandbox(settings, SOURCES, 10).more_processes
    (part,) = more(ports, {"PATH": os.environ["PATH"], "SECRET": "hush"})
    assert "SECRET" not in part.env
    assert part.health

    with subprocess.Popen(part.argv, cwd=settings.root, env=part.env) as process:
        try:
            checker = Checker()
            while not checker.healthy(part.health, 0.0):
                assert process.poll() is None
                checker.new_round()
        finally:
            process.terminate()


def test_commands_find_the_stack_in_an_empty_environment(
    settings: StackSettings,
) -> None:
    settings.make_folders()
    secrets = secret_files.load(settings.secrets)

    hand_over(with_sandbox(settings, SOURCES, 10), PORTS, secrets)

    sealed = settings.var / "connections.sealed"
    environ = {"CRM_STACK_VAR": str(settings.var)}
    adopt_local_variables(environ)
    genius = find("genius_default", environ)
    assert base_url(genius, "", environ) == "http://127.0.0.1:4/genius/v1"
    hubspot = find("hubspot_default", environ)
    assert hubspot.extra["public_url"] == "http://127.0.0.1:5"
    warehouse = conninfo(find("crm_warehouse", environ))
    assert secrets.warehouse_password in warehouse
    variables = settings.secrets / "variables.json"
    for path in (sealed, variables):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "AIRFLOW_CONN" not in variables.read_text("utf-8")


def test_the_callers_own_connections_are_not_kept(
    settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_DEFAULT", "other://:real-token@host")
    settings.make_folders()
    hand_over(
        with_sandbox(settings, SOURCES, 10), PORTS, secret_files.load(settings.secrets)
    )

    names = json.loads((settings.var / "connections.sealed").read_bytes())
    ours = {"crm_warehouse", "genius_database", *(s.connection for s in SOURCES)}
    assert set(names) == ours


def _server(settings: StackSettings, *statements: str) -> None:
    """Make the stack's warehouse and run statements in it."""
    stack = Stack(settings)
    settings.make_folders()
    server = stack.postgres()
    server.start()
    try:
        bootstrap.make_databases(server, stack.secrets().database_passwords())
        target = server.conninfo("warehouse", "crm_warehouse")
        migrate(target)
        with psycopg.connect(target) as conn:
            for statement in statements:
                conn.execute(statement.encode())
    finally:
        server.stop()


def test_a_fresh_or_empty_warehouse_becomes_the_demos(settings: StackSettings) -> None:
    stack = Stack(settings)
    assert demo_guard.claim(stack)
    assert (settings.var / "demo").exists()
    (settings.var / "demo").unlink()
    _server(settings)
    assert demo_guard.claim(stack)
    assert stack.postgres().pid is None


def test_a_warehouse_with_real_records_is_refused(settings: StackSettings) -> None:
    job = (
        "INSERT INTO ops.sync_jobs"
        " (source_system, entity_type, job_type, via, status, triggered_by)"
        " VALUES ('genius', 'users', 'full', 'api', 'success', 'cli')"
    )
    _server(settings, job)
    stack = Stack(settings)

    with pytest.raises(StackError, match="was not made by the demo"):
        demo_guard.claim(stack)

    assert not (settings.var / "demo").exists()
    assert stack.postgres().pid is None
    (settings.var / "demo").touch()
    assert demo_guard.claim(stack)


def test_exported_connections_are_not_overwritten(settings: StackSettings) -> None:
    settings.make_folders()
    sealed = settings.var / "connections.sealed"
    sealed.write_text('{"crm_warehouse": "…", "genius_default": "…"}', "utf-8")

    with pytest.raises(StackError, match="CRM_STACK_VAR"):
        demo_guard.claim(Stack(settings))


def test_other_connections_stay_where_commands_find_them(
    settings: StackSettings,
) -> None:
    settings.make_folders()
    secrets = secret_files.load(settings.secrets)
    sealed = settings.var / "connections.sealed"
    environ = {
        "CRM_WAREHOUSE_SEALING_KEY": secrets.sealing_key,
        "CRM_WAREHOUSE_CONNECTIONS": str(sealed),
    }
    seal_connections([Connection("other", password="real")], sealed, environ)

    hand_over(settings, PORTS, secrets)

    assert find("other", environ).password == "real"
    assert find("crm_warehouse", environ).port == PORTS["postgres"]


def test_an_export_under_another_key_is_not_overwritten(
    settings: StackSettings,
) -> None:
    settings.make_folders()
    sealed = settings.var / "connections.sealed"
    key = secret_files.Secrets().sealing_key
    seal_connections([Connection("other")], sealed, {"CRM_WAREHOUSE_SEALING_KEY": key})
    before = sealed.read_bytes()

    with pytest.raises(StackError, match="move the file away"):
        hand_over(settings, PORTS, secret_files.load(settings.secrets))

    assert sealed.read_bytes() == before
    assert not (settings.secrets / "variables.json").exists()


def test_a_stack_for_real_records_refuses_the_demos_warehouse(
    settings: StackSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.make_folders()
    (settings.var / "demo").touch()
    monkeypatch.setenv("CRM_STACK_VAR", str(settings.var))
    monkeypatch.setattr(sys, "argv", ["local_stack", "up"])
    monkeypatch.setattr(Stack, "up", lambda _: pytest.fail("it was started"))

    assert __main__.main() == 1

    err = capsys.readouterr().err
    for words in ("invented records", "make clean", "CRM_STACK_VAR=", "KEEP=1"):
        assert words in err


@pytest.mark.parametrize(("ports", "ours"), [({"ui": 1}, None), (PORTS, False)])
def test_a_stack_that_runs_is_joined_only_with_its_sandbox(
    settings: StackSettings, ports: dict[str, int], ours: bool | None
) -> None:
    from include.local_stack.procfs import Identity

    settings.make_folders()
    (settings.var / "demo").touch()
    state = State(supervisor=Identity.of(os.getpid()), phase="ready", ports=ports)
    state.save(settings.state_file)

    if ours is None:
        with pytest.raises(StackError, match="make down"):
            demo_guard.claim(Stack(settings))
    else:
        assert demo_guard.claim(Stack(settings)) is ours


def _job(**values: Any) -> dict[str, Any]:
    counters = ("processed", "created", "updated", "unchanged", "failed")
    return {
        "source_system": "genius",
        "dag_id": "genius__prospects",
        "entity_type": "prospects",
        "status": "success",
        **{f"records_{name}": 0 for name in counters},
        "warnings": 0,
        "seconds": 1.25,
        **values,
    }


def test_table_lines_up() -> None:
    jobs = [_job(records_processed=12345), _job(entity_type="users", status="partial")]
    lines = demo_report.table(Runs("r", {}, jobs)).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:4] == ["genius", "prospects", "success", "12,345"]
    assert lines[0].index("processed") + len("processed") == lines[1].index(
        "12,345"
    ) + len("12,345")


def test_the_webhooks_table_lines_up() -> None:
    rounds = [Round("hubspot", 1234, 1234, 1233, 10, 35, 5, 3.25)]
    lines = demo_report.webhooks_table(rounds).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == [
        *("source", "sent", "received", "merged"),
        *("created", "updated", "deleted", "seconds"),
    ]
    assert lines[1].split() == [
        *("hubspot", "1,234", "1,234", "1,233", "10", "35", "5", "3.2")
    ]


def test_table_shows_a_run_that_began_no_job() -> None:
    states = {"genius__prospects": "success", "genius__users": "failed"}
    lines = demo_report.table(Runs("r", states, [_job()])).splitlines()

    assert lines[2].split() == ["genius", "users", "failed", *"-" * 7]


def test_green_means_every_run() -> None:
    assert Runs("r", {"a": "success", "b": "success"}, []).green
    assert not Runs("r", {"a": "success", "b": "failed"}, []).green


def test_elsewhere_than_on_a_terminal_each_event_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(live=False)
    screen.show({"a": "queued", "b": "queued"}, {})
    screen.show({"a": "running", "b": "queued"}, {"a": "5 records"})
    screen.show({"a": "running", "b": "queued"}, {"a": "9 records"})

    out = capsys.readouterr().out
    assert out.splitlines() == ["  a: queued", "  b: queued", "  a: running 5 records"]


def test_on_a_terminal_lines_renew_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(live=True)
    screen.show({"a": "queued"}, {})
    screen.show({"a": "running"}, {"a": "5 records"})

    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert "\x1b[1A" in out
    assert "5 records" in out.rpartition("\x1b[1A")[2]


@pytest.mark.parametrize("count", ["0", "50001", "many"])
def test_a_size_that_does_not_fit_is_refused(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(["--prospects", count])
    assert ended.value.code == 2
    assert f"'{count}'" in capsys.readouterr().err


def test_the_demo_is_a_module_that_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "include.local_stack.demo", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--keep" in done.stdout
