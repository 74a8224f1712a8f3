"""What the receiver is told: its database, and who may post."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from crm_warehouse.connections import conninfo, find
from crm_warehouse.errors import ConfigurationError
from webhook_receiver.callers import METRICS_VARIABLE, PROXIES_VARIABLE
from webhook_receiver.delivery import Sender
from webhook_receiver.senders import sender_of

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
        proxies: How many proxies of our own a request passes.
        metrics_networks: From where ``/metrics`` may be read.
    """

    conninfo: str
    demand_durable: bool
    senders: Mapping[str, Sender]
    problems: Mapping[str, str]
    proxies: int
    metrics_networks: tuple[IPv4Network | IPv6Network, ...]


def from_environment(
    sources: Iterable[str], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from the connections ``crm_warehouse`` and ``<source>_default``.

    Raises:
        ConfigurationError: The warehouse's connection is missing or unusable, or the
            number of proxies or a network is. A source's is no reason not to serve the
            others: see ``problems``.
    """
    senders, problems = {}, {}
    for source in sources:
        try:
            senders[source] = sender_of(find(f"{source}_default", environ), environ)
        except ConfigurationError as error:
            problems[source] = str(error)
    return Settings(
        conninfo=conninfo(find("crm_warehouse", environ)),
        demand_durable=environ.get("CRM_WAREHOUSE_ENV") != "dev",
        senders=senders,
        problems=problems,
        proxies=_proxies(environ),
        metrics_networks=_metrics_networks(environ),
    )


def _proxies(environ: Mapping[str, str]) -> int:
    text = environ.get(PROXIES_VARIABLE, "").strip() or "0"
    if not re.fullmatch(r"[0-9]", text):
        raise ConfigurationError(
            f"{PROXIES_VARIABLE} must be how many proxies a request passes: 0 to 9"
        )
    return int(text)


def _metrics_networks(
    environ: Mapping[str, str],
) -> tuple[IPv4Network | IPv6Network, ...]:
    text = environ.get(METRICS_VARIABLE, "").strip() or "127.0.0.0/8,::1"
    try:
        return tuple(ip_network(each.strip()) for each in text.split(","))
    except ValueError:
        raise ConfigurationError(
            f"{METRICS_VARIABLE} must be a list of networks, e.g. 127.0.0.0/8,10.0.0.7"
        ) from None
