"""Variables of the stack on this machine, for a shell that has set none of them.

``make demo`` leaves them beside the sealed connections, in a file that only its owner
reads, so that commands work from the repository root as they are typed.
"""

import json
from collections.abc import MutableMapping
from pathlib import Path

from crm_warehouse.connections.lookup import sealed_file
from crm_warehouse.errors import ConfigurationError

#: Nothing else is taken from the file: it must not steer what Python loads.
_PREFIXES = ("AIRFLOW_", "CRM_WAREHOUSE_")


def local_variables_file(sealed: Path) -> Path:
    """Where the variables are, given where the sealed connections are."""
    return sealed.parent / "secrets" / "variables.json"


def adopt_local_variables(environ: MutableMapping[str, str]) -> None:
    """Set what the file names and the environment does not.

    Raises:
        ConfigurationError: The file is damaged.
    """
    path = local_variables_file(sealed_file(environ))
    try:
        values = json.loads(path.read_bytes())
    except OSError:
        return  # no stack here, or another user's
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: is damaged; remove it, and start the stack")
    for name, value in values.items():
        if name.startswith(_PREFIXES):
            environ.setdefault(name, str(value))
