"""Airflow and the receiver as the stack runs them: environment, process table."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from include.local_stack.ports import HOST
from include.local_stack.process import Health, Process
from include.local_stack.secret_files import Secrets
from include.local_stack.settings import StackSettings

#: What parts get of the caller's environment, besides the prefixes below.
_PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy"),
    }
)
_PASSED_PREFIXES = ("AIRFLOW_CONN_", "AIRFLOW_VAR_", "CRM_WAREHOUSE_")
#: What the receiver gets of the parts' environment. It is what strangers speak to, so
#: it holds no key of Airflow's.
_RECEIVER_PREFIXES = ("AIRFLOW_CONN_", "CRM_WAREHOUSE_", "PYTHON")

AIRFLOW = Path(sys.executable).with_name("airflow")
GUNICORN = Path(sys.executable).with_name("gunicorn")


def environment(
    settings: StackSettings,
    ports: Mapping[str, int],
    secrets: Secrets,
    caller: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The whole environment of every part.

    Args:
        settings: The stack.
        ports: Its ports by name.
        secrets: Its secrets.
        caller: Environment of whoever starts the stack; little of it passes.
    """
    passed = {
        name: value
        for name, value in caller.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return {
        **passed,
        **settings.more_environment(ports),
        **_ours(settings, ports, secrets),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }


def warehouse_connection(port: int, password: str) -> str:
    """Value of ``AIRFLOW_CONN_CRM_WAREHOUSE``."""
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": HOST,
            "port": port,
            "login": "crm_warehouse",
            "password": password,
            "schema": "warehouse",
        }
    )


def _ours(
    settings: StackSettings, ports: Mapping[str, int], secrets: Secrets
) -> dict[str, str]:
    base_url = f"http://{HOST}:{ports['ui']}"
    database = f"{HOST}:{ports['postgres']}/airflow"
    logs = settings.logs
    return {
        "AIRFLOW_HOME": str(settings.root),
        "AIRFLOW_CONN_CRM_WAREHOUSE": warehouse_connection(
            ports["postgres"], secrets.warehouse_password
        ),
        "CRM_WAREHOUSE_ENV": settings.environment,
        "CRM_WAREHOUSE_SEALING_KEY": secrets.sealing_key,
        "CRM_WAREHOUSE_CONNECTIONS": str(settings.sealed_connections),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://airflow:{secrets.airflow_password}@{database}"
        ),
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret_key,
        "AIRFLOW__API__BASE_URL": base_url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": (
            f"http://{HOST}:{ports['execution']}/execution/"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(
            settings.secrets / "airflow_passwords.json"
        ),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs / "airflow"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            logs / "airflow" / "dag_processor"
        ),
    }


def processes(ports: Mapping[str, int], env: dict[str, str]) -> tuple[Process, ...]:
    """The process table: one line adds a part.

    Two API servers, so that pages and exports cannot starve task heartbeats. No log
    servers: all parts share one disk, and their ports would be open to others.
    """
    report = f"http://{HOST}:{ports['ui']}/api/v2/monitor/health"
    execution = f"http://{HOST}:{ports['execution']}/execution/health"

    def airflow(name: str, words: str, health: Health) -> Process:
        return Process(name, (str(AIRFLOW), *words.split()), env, health)

    api = f"api-server --host {HOST} --workers 1"
    return (
        airflow(
            "api-execution",
            f"{api} --apps execution --port {ports['execution']}",
            Health(execution),
        ),
        airflow("api-core", f"{api} --apps core --port {ports['ui']}", Health(report)),
        airflow(
            "scheduler", "scheduler --skip-serve-logs", Health(report, "scheduler")
        ),
        airflow("dag-processor", "dag-processor", Health(report, "dag_processor")),
        airflow(
            "triggerer", "triggerer --skip-serve-logs", Health(report, "triggerer")
        ),
        _receiver(ports["receiver"], env),
    )


def _receiver(port: int, env: dict[str, str]) -> Process:
    own = {
        name: value
        for name, value in env.items()
        if name in _PASSED or name.startswith(_RECEIVER_PREFIXES)
    }
    config = "webhook_receiver/gunicorn.conf.py"
    return Process(
        "receiver",
        (str(GUNICORN), "-c", config, "webhook_receiver.wsgi:app"),
        {**own, "HOST": HOST, "PORT": str(port)},
        Health(f"http://{HOST}:{port}/readyz"),
    )
