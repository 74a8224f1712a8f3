"""What the receiver is told: its database, and who may post."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crm_warehouse.connections import Connection, base_url_problem, conninfo, find
from crm_warehouse.errors import ConfigurationError
from webhook_receiver.delivery import Sender

#: Largest body; HubSpot's hundred events have a few ten thousand bytes.
BODY_LIMIT_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """One receiver.

    Attributes:
        conninfo: libpq connection string of the warehouse.
        demand_durable: Whether a database that could lose committed rows is refused.
        senders: By source; only those whose connection says enough.
        problems: By source: why another is missing.
    """

    conninfo: str
    demand_durable: bool
    senders: Mapping[str, Sender]
    problems: Mapping[str, str]


def from_environment(
    sources: Iterable[str], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from the connections ``crm_warehouse`` and ``<source>_default``.

    Raises:
        ConfigurationError: The warehouse's connection is missing or unusable. A
            source's is no reason not to serve the others: see ``problems``.
    """
    senders, problems = {}, {}
    for source in sources:
        try:
            senders[source] = _sender(find(f"{source}_default", environ), environ)
        except ConfigurationError as error:
            problems[source] = str(error)
    return Settings(
        conninfo=conninfo(find("crm_warehouse", environ)),
        demand_durable=environ.get("CRM_WAREHOUSE_ENV") != "dev",
        senders=senders,
        problems=problems,
    )


def _sender(connection: Connection, environ: Mapping[str, str]) -> Sender:
    origin = f"connection {connection.id!r}: its extra"
    secrets = connection.extra.get("webhook_secrets")
    # client_secret is of the OAuth app, and may be another's: never taken instead.
    if not isinstance(secrets, list) or not secrets:
        raise ConfigurationError(f"{origin} needs webhook_secrets, a list of texts")
    if not all(isinstance(each, str) and each.strip() for each in secrets):
        raise ConfigurationError(f"{origin} has a webhook_secrets entry without text")
    url = connection.extra.get("public_url")
    if not isinstance(url, str):
        raise ConfigurationError(
            f"{origin} needs public_url, the base URL that the source calls, "
            "e.g. https://hooks.example.com"
        )
    url = url.rstrip("/")
    if problem := base_url_problem(url, environ):
        raise ConfigurationError(f"{origin} has a public_url that {problem}")
    return Sender(tuple(each.encode() for each in secrets), url)
