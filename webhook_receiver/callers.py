"""From where a request comes, seen through a known number of proxies."""

import logging
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from flask import request

from webhook_receiver.delivery import Sender
from webhook_receiver.refusals import RefusalError, fault_of_ours

logger = logging.getLogger(__name__)

Networks = Iterable[IPv4Network | IPv6Network]

PROXIES_VARIABLE = "CRM_WAREHOUSE_PROXIES"
#: Sources call from few addresses, over and over.
_REMEMBERED = 256
METRICS_VARIABLE = "CRM_WAREHOUSE_METRICS_NETWORKS"


def demand_allowed(source: str, sender: Sender, proxies: int) -> None:
    """Refuse the request at hand when its source never calls from there.

    Args:
        source: Whose path was called.
        sender: Its networks.
        proxies: How many of our own proxies a request passes.

    Raises:
        RefusalError: The caller is in none of the networks, or cannot be known.
    """
    if not sender.networks:
        return
    address = caller_of_request(proxies)
    if address is None:
        # Ours to mend, so that the source must not take it as final.
        logger.warning(
            "%s: the caller's address cannot be known behind %d proxies; set "
            "%s to how many there are",
            source,
            proxies,
            PROXIES_VARIABLE,
        )
        raise fault_of_ours("NOT_CONFIGURED", "The caller cannot be known")
    if any(address in network for network in sender.networks):
        return
    raise RefusalError(403, "ADDRESS_NOT_ALLOWED", "Not an address of this source")


def demand_reader(networks: Networks, proxies: int) -> None:
    """Refuse the request at hand when what it asks for is not for whoever asks.

    Args:
        networks: Whose it is.
        proxies: How many of our own proxies a request passes.

    Raises:
        RefusalError: The caller is in none of the networks, or came through a proxy
            that nobody told of.
    """
    forwarded = "X-Forwarded-For" in request.headers
    # Whoever reads metrics is beside us: nothing else comes past the proxies.
    address = caller_of_request(proxies if forwarded else 0)
    unknown_proxy = forwarded and not proxies
    if unknown_proxy or not any(address in each for each in networks if address):
        raise RefusalError(403, "ADDRESS_NOT_ALLOWED", "Not for this address")


def caller_of_request(proxies: int) -> IPv4Address | IPv6Address | None:
    """Who sent the request at hand, as ``caller`` says."""
    environ = request.environ
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
    return caller(environ.get("REMOTE_ADDR", ""), forwarded, proxies)


def caller(peer: str, forwarded: str, proxies: int) -> IPv4Address | IPv6Address | None:
    """Address of whoever called the outermost of our proxies; None when unknown.

    Args:
        peer: Who holds the connection.
        forwarded: ``X-Forwarded-For``. Each proxy adds its own caller at the right end;
            what stands further to the left is anybody's invention.
        proxies: How many of them are ours; without any, ``forwarded`` is not looked at.
    """
    # One more than there are from the right end: the peer follows the last entry.
    chain = [*forwarded.split(","), peer] if proxies else [peer]
    if len(chain) <= proxies:
        return None
    return _parsed(chain[-1 - proxies])


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(_without_port(text.strip()))
    except ValueError:
        return None
    # A socket for both kinds shows IPv4 inside IPv6.
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """The address alone: some proxies write ``198.51.100.7:443`` or ``[::1]:443``."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
