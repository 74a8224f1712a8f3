"""The demonstration's stack: as any other, with the sandbox CRMs as one more part."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from crm_warehouse.spec import Source
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST
from include.local_stack.process import Health, Process
from include.local_stack.settings import PREFERRED_PORTS, Ports, StackSettings
from include.sandbox.app import SYSTEMS
from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from include.sandbox.settings import DEFAULT_TOKENS, token_variable

#: Name of the part and of its port.
SANDBOX = "sandbox"
_PORT = 8999
#: Name of the receiver's port, where a stack has one.
RECEIVER = "receiver"
#: Signs the sandbox's webhooks: invented, and worth nothing elsewhere.
WEBHOOK_SECRET = "sandbox-hubspot-webhook-secret"  # noqa: S105
#: Records of a system's main entity for each Genius prospect, and the most of them:
#: their pages fit twice into what the system allows in an hour, and into a few minutes.
_SIZES = {
    "hubspot": (Fraction(2, 3), 20_000),
    "marketsharp": (Fraction(1, 3), 3_000),
    "activeprospect": (Fraction(1, 3), 10_000),
}
_ROOTS = {system.name: system.root for system in SYSTEMS}


def sandbox_sources(sources: Iterable[Source]) -> list[Source]:
    """The sources that the sandbox has a CRM for."""
    return [source for source in sources if source.name in _ROOTS]


def with_sandbox(
    settings: StackSettings, sources: Iterable[Source], prospects: int
) -> StackSettings:
    """Settings of a stack whose connections lead to its own sandbox.

    Args:
        settings: The stack without it.
        sources: Sources to load.
        prospects: How many Genius has; the other systems are in proportion.

    Raises:
        StackError: The stack's environment forbids plain http.
    """
    if settings.environment != "dev":
        raise StackError(
            "The sandbox speaks plain http, which CRM_WAREHOUSE_ENV="
            f"{settings.environment} forbids. Unset that variable for the demo."
        )
    known = list(sources)

    def environment(ports: Ports) -> dict[str, str]:
        base = sandbox_url(ports)
        database = {"conn_type": "sqlite", "host": str(database_file(settings))}
        connections = {
            f"AIRFLOW_CONN_{source.connection.upper()}": json.dumps(
                {
                    "conn_type": source.name,
                    "host": f"{base}{_ROOTS[source.name]}",
                    "password": DEFAULT_TOKENS[source.name],
                    **_webhook_settings(source, ports),
                }
            )
            for source in known
        }
        return {
            **connections,
            "AIRFLOW_CONN_GENIUS_DATABASE": json.dumps(database),
            "CRM_WAREHOUSE_DROP": str(drop_folder(settings)),
        }

    def processes(ports: Ports, env: dict[str, str]) -> tuple[Process, ...]:
        return (_process(ports[SANDBOX], env, prospects),)

    return replace(
        settings,
        preferred_ports={**PREFERRED_PORTS, SANDBOX: _PORT},
        more_environment=environment,
        more_processes=processes,
    )


def database_file(settings: StackSettings) -> Path:
    """Genius' own database, as far as the demonstration has one."""
    return settings.var / "ways_in" / "genius.sqlite"


def drop_folder(settings: StackSettings) -> Path:
    """Where the demonstration's files are dropped."""
    return settings.var / "ways_in" / "drop"


def receiver_url(ports: Ports) -> str | None:
    """Base URL of the stack's receiver; None where it has none."""
    return f"http://{HOST}:{ports[RECEIVER]}" if RECEIVER in ports else None


def sandbox_url(ports: Ports) -> str:
    """Base URL of the stack's sandbox."""
    return f"http://{HOST}:{ports[SANDBOX]}"


def _webhook_settings(source: Source, ports: Ports) -> dict[str, Any]:
    public_url = receiver_url(ports)
    if not source.webhooks or public_url is None:
        return {}
    return {
        "extra": {
            "webhook_secrets": [WEBHOOK_SECRET],
            "public_url": public_url,
            "portal_id": str(PORTAL_ID),
            "app_id": str(APP_ID),
        }
    }


def _sizes(prospects: int) -> Iterable[str]:
    for system, (share, most) in _SIZES.items():
        yield f"{system}={max(1, min(most, int(prospects * share)))}"


def _process(port: int, env: dict[str, str], prospects: int) -> Process:
    options: list[tuple[str, object]] = [("--port", port), ("--prospects", prospects)]
    options += [("--size", size) for size in _sizes(prospects)]
    words = [str(word) for pair in options for word in pair]
    tokens = {token_variable(name): token for name, token in DEFAULT_TOKENS.items()}
    names = ("PATH", "HOME", "LANG", "TZ")
    own = {name: env[name] for name in names if name in env}
    return Process(
        SANDBOX,
        (sys.executable, "-m", "include.sandbox", *words),
        {**own, **tokens, "PYTHONUNBUFFERED": "1"},
        Health(f"http://{HOST}:{port}/_sandbox/{SYSTEMS[0].name}/stats"),
    )
