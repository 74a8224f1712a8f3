"""How a connection logs in by OAuth."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from crm_warehouse.connections.model import Connection
from crm_warehouse.connections.urls import base_url_problem
from crm_warehouse.errors import ConfigurationError

_KEYS = ("client_id", "client_secret", "refresh_token", "token_url")


@dataclass(frozen=True, slots=True, repr=False)
class OAuthSettings:
    """What ``extra`` of a connection says of OAuth; never shown.

    Attributes:
        connection_id: Airflow connection id.
        client_id: The app's.
        client_secret: The app's.
        refresh_token: The first one, as a person got it.
        token_url: Where tokens are refreshed: the one address that gets the secret.
    """

    connection_id: str
    client_id: str
    client_secret: str
    refresh_token: str
    token_url: str


def oauth_settings(
    connection: Connection, environ: Mapping[str, str] = os.environ
) -> OAuthSettings | None:
    """What ``extra`` says of OAuth, or None when it has no ``refresh_token``.

    Raises:
        ConfigurationError: Something is missing, or secrets must not be sent there.
    """
    extra = connection.extra
    if not extra.get("refresh_token"):
        return None
    name = f"connection {connection.id!r}"
    values = {key: extra.get(key) for key in _KEYS}
    wrong = [k for k, v in values.items() if not isinstance(v, str) or not v.strip()]
    if wrong:
        raise ConfigurationError(
            f"{name}: a refresh_token in extra needs {', '.join(wrong)} beside it, as "
            "text"
        )
    texts = {key: str(value).strip() for key, value in values.items()}
    if problem := base_url_problem(texts["token_url"], environ):
        raise ConfigurationError(f"{name}: token_url in extra {problem}")
    return OAuthSettings(connection_id=connection.id, **texts)
