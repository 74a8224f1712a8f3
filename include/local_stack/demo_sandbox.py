"""The demonstration's stack: as any other, with the sandbox CRMs as one more part."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace

from crm_warehouse.spec import Source
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST
from include.local_stack.process import Health, Process
from include.local_stack.settings import PREFERRED_PORTS, Ports, StackSettings
from include.sandbox.app import SYSTEMS
from include.sandbox.settings import DEFAULT_TOKENS, token_variable

#: Name of the part and of its port.
SANDBOX = "sandbox"
_PORT = 8999
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
        prospects: Size of the sandbox, see ``include.sandbox``.

    Raises:
        StackError: The stack's environment forbids plain http.
    """
    if settings.environment != "dev":
        raise StackError(
            "The sandbox speaks plain http, which CRM_WAREHOUSE_ENV="
            f"{settings.environment} forbids. Unset that variable for the demo."
        )
    known = list(sources)

    def connections(ports: Ports) -> dict[str, str]:
        base = f"http://{HOST}:{ports[SANDBOX]}"
        return {
            f"AIRFLOW_CONN_{source.connection.upper()}": json.dumps(
                {
                    "conn_type": source.name,
                    "host": f"{base}{_ROOTS[source.name]}",
                    "password": DEFAULT_TOKENS[source.name],
                }
            )
            for source in known
        }

    def processes(ports: Ports, env: dict[str, str]) -> tuple[Process, ...]:
        return (_process(ports[SANDBOX], env, prospects),)

    return replace(
        settings,
        preferred_ports={**PREFERRED_PORTS, SANDBOX: _PORT},
        more_environment=connections,
        more_processes=processes,
    )


def _process(port: int, env: dict[str, str], prospects: int) -> Process:
    options = {"--port": port, "--prospects": prospects}
    words = [str(word) for pair in options.items() for word in pair]
    tokens = {token_variable(name): token for name, token in DEFAULT_TOKENS.items()}
    names = ("PATH", "HOME", "LANG", "TZ")
    own = {name: env[name] for name in names if name in env}
    return Process(
        SANDBOX,
        (sys.executable, "-m", "include.sandbox", *words),
        {**own, **tokens, "PYTHONUNBUFFERED": "1"},
        Health(f"http://{HOST}:{port}/_sandbox/{SYSTEMS[0].name}/stats"),
    )
