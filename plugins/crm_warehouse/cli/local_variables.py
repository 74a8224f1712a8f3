"""Variables of the stack on this machine, for a shell that has set none of them.

``make up`` and ``make demo`` leave them beside the sealed connections, in a file that
only its owner reads, so that commands work from the repository root as they are typed.
"""

import json
from collections.abc import MutableMapping
from pathlib import Path

from crm_warehouse.connections.lookup import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    sealed_file,
)
from crm_warehouse.errors import ConfigurationError

#: Another stack than the one in ``.var``: its folder.
STACK_VARIABLE = "CRM_STACK_VAR"
#: Nothing else is taken from the file: it must not steer what Python loads.
_PREFIXES = ("AIRFLOW_", "CRM_WAREHOUSE_")
#: Whoever has set one of these says himself where to load from and to. The stack's
#: other half could send real records into a sandbox's warehouse, or the reverse.
_OWN = (
    "AIRFLOW_CONN_",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    FILE_VARIABLE,
    KEY_VARIABLE,
)


def local_variables_file(sealed: Path) -> Path:
    """Where the variables are, given where the sealed connections are."""
    return sealed.parent / "secrets" / "variables.json"


def adopt_local_variables(environ: MutableMapping[str, str]) -> None:
    """Set what the file names; nothing at all beside connections of the caller's own.

    Raises:
        ConfigurationError: The file is damaged.
    """
    if any(name.startswith(_OWN) and text.strip() for name, text in environ.items()):
        return
    folder = environ.get(STACK_VARIABLE)
    sealed = Path(folder) / "connections.sealed" if folder else sealed_file(environ)
    path = local_variables_file(sealed)
    try:
        values = json.loads(path.read_bytes())
    except OSError:
        return  # no stack here, or another user's
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: is damaged; remove it, and start the stack")
    environ[FILE_VARIABLE] = str(sealed)
    for name, value in values.items():
        if name.startswith(_PREFIXES):
            environ.setdefault(name, str(value))
