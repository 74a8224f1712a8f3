"""Whose webhooks a source's connection stands for."""

from typing import TypedDict

from crm_warehouse.connections.model import Connection
from crm_warehouse.errors import ConfigurationError


class WebhookOwner(TypedDict):
    """Account and app that events must name; None: any."""

    portal_id: str | None
    app_id: str | None


def webhook_owner(connection: Connection) -> WebhookOwner:
    """The ids in ``extra``, where they may be text or number.

    Raises:
        ConfigurationError: One is neither.
    """
    return WebhookOwner(
        portal_id=_id(connection, "portal_id"), app_id=_id(connection, "app_id")
    )


def _id(connection: Connection, name: str) -> str | None:
    value = connection.extra.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigurationError(
            f"connection {connection.id!r}: {name} in extra must be text or a number"
        )
    return str(value).strip()
