"""The way from nothing to a supervisor that tends the parts."""

import os
import subprocess
import sys
from collections.abc import Callable

from include.local_stack import airflow_parts, bootstrap
from include.local_stack.logs import open_log
from include.local_stack.orders import DatabaseOrders, Orders
from include.local_stack.ports import choose
from include.local_stack.postgres import Postgres
from include.local_stack.secret_files import Secrets
from include.local_stack.settings import StackSettings
from include.local_stack.state import State

Say = Callable[[str], None]


def choose_ports(
    settings: StackSettings, former: State, postgres_port: int
) -> dict[str, int]:
    """Ports by name; those of parts that still run stay.

    Raises:
        StackError: A port that must be this one is taken.
    """
    running = any(part.alive for part in former.parts if part.name != "postgres")
    kept = running and former.ports.get("postgres") == postgres_port
    # Parts that a new release brings have no port yet.
    chosen = dict(former.ports) if kept else {"postgres": postgres_port}
    for name, preferred in settings.preferred_ports.items():
        if name not in chosen:
            fixed = settings.fixed_ports.get(name)
            chosen[name] = choose(
                f"part {name}",
                fixed or preferred,
                fixed=fixed is not None,
                taken=frozenset(chosen.values()),
            )
    return chosen


def launch(
    settings: StackSettings, server: Postgres, secrets: Secrets, former: State, say: Say
) -> subprocess.Popen[bytes]:
    """Start PostgreSQL, make the databases, hand over to a new supervisor.

    Returns:
        The supervisor's process.

    Raises:
        StackError: With what to do.
    """
    started = server.start()
    try:
        orders = _prepare(settings, server, secrets, former, say)
    except BaseException:
        if started:
            server.stop()
        raise
    return start_supervisor(orders)


def _prepare(
    settings: StackSettings, server: Postgres, secrets: Secrets, former: State, say: Say
) -> Orders:
    say(f"PostgreSQL listens on port {server.port}")
    ports = choose_ports(settings, former, server.port)
    env = airflow_parts.environment(settings, ports, secrets)
    bootstrap.make_databases(server, secrets.database_passwords())
    migration = bootstrap.AirflowMigration(
        server,
        settings.state_file.with_name("airflow-migrated.json"),
        settings.logs / "airflow-migrate.log",
    )
    if migration.begin(env, settings.root):
        say("Airflow's database is being migrated")
    try:
        for name in bootstrap.migrate_warehouse(server):
            say(f"warehouse: applied {name}")
    finally:
        migration.finish()
    processes = airflow_parts.processes(ports, env)
    return Orders(
        root=settings.root,
        state=settings.state_file,
        logs=settings.logs,
        ports=ports,
        database=DatabaseOrders(server.home, server.log, server.port),
        processes=processes + settings.more_processes(ports, env),
    )


def start_supervisor(orders: Orders) -> subprocess.Popen[bytes]:
    """Start a detached supervisor.

    Returns:
        Its process, a child of the caller for as long as that lives.
    """
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ
    }
    command = [sys.executable, "-m", "include.local_stack.supervisor"]
    with open_log(orders.logs / "supervisor.log") as log:
        process = subprocess.Popen(
            command,
            cwd=orders.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if process.stdin is None:
        raise AssertionError("a pipe was asked for")
    with process.stdin as pipe:
        pipe.write(orders.to_json().encode())
    return process
