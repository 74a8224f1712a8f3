"""Which of a source's APIs a connection reaches."""

from crm_warehouse.connections.model import Connection
from crm_warehouse.errors import ConfigurationError


def profile_of(connection: Connection) -> str:
    """Name of the profile in ``extra``; empty: the source's own API.

    Raises:
        ConfigurationError: It is no text.
    """
    name = connection.extra.get("profile") or ""
    if not isinstance(name, str):
        raise ConfigurationError(
            f"connection {connection.id!r}: profile in extra must be text"
        )
    return name.strip()
