"""What commands typed by hand need of a running stack, left for them in its ``var``."""

import json
from collections.abc import Mapping
from pathlib import Path

from crm_warehouse.cli.local_variables import local_variables_file
from crm_warehouse.connections import Connection, from_environment
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.sealing import open_connections, seal_connections
from include.local_stack import airflow_parts
from include.local_stack.errors import StackError
from include.local_stack.secret_files import Secrets, write_private
from include.local_stack.settings import Ports, StackSettings

_PREFIX = "AIRFLOW_CONN_"
#: Besides connections, which are sealed. The last three are for
#: ``connections export``, which asks this stack's Airflow.
_VARIABLES = (
    "CRM_WAREHOUSE_ENV",
    "CRM_WAREHOUSE_SEALING_KEY",
    "AIRFLOW_HOME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
)


def hand_over(settings: StackSettings, ports: Ports, secrets: Secrets) -> None:
    """Write sealed connections, and the variables that open and use them.

    Other connections in the sealed file stay.

    Args:
        settings: The stack.
        ports: Its ports by name.
        secrets: Its secrets.

    Raises:
        StackError: The file there is not of this stack's key; nothing was changed.
    """
    # The caller's own connections may be those of real systems: not ours to keep.
    env = airflow_parts.environment(settings, ports, secrets, caller={})
    conn_ids = [
        name.removeprefix(_PREFIX).lower() for name in env if name.startswith(_PREFIX)
    ]
    found = [from_environment(conn_id, env) for conn_id in conn_ids]
    sealed = settings.sealed_connections
    ours = {each.id: each for each in found if each}
    seal_connections({**_known(sealed, env), **ours}.values(), sealed, env)
    variables = {name: env[name] for name in _VARIABLES}
    write_private(local_variables_file(sealed), json.dumps(variables, indent=2) + "\n")


def _known(sealed: Path, env: Mapping[str, str]) -> dict[str, Connection]:
    if not sealed.exists():
        return {}
    try:
        return open_connections(sealed, env)
    except ConfigurationError as error:
        raise StackError(
            f"{error}\nTherefore commands typed in a shell find this stack only by "
            "variables of that shell. Or move the file away, and start again."
        ) from None
