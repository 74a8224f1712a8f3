"""What a source's connection says of who may post."""

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from crm_warehouse.connections import Connection, base_url_problem
from crm_warehouse.errors import ConfigurationError
from webhook_receiver.delivery import DEFAULT_HEADER, GENEROUS, Rate, Secret, Sender

_VERSIONS = ("v1", "v2", "v3")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


def sender_of(connection: Connection, environ: Mapping[str, str]) -> Sender:
    """The sender that the extra describes.

    Raises:
        ConfigurationError: Something is missing or unusable; no secret is shown.
    """
    origin, extra = f"connection {connection.id!r}: its extra", connection.extra
    try:
        return Sender(
            secrets=_secrets(extra.get("webhook_secrets")),
            public_url=_public_url(extra.get("public_url"), environ),
            networks=_networks(extra.get("allowed_networks")),
            versions=_versions(extra.get("signature_versions", ["v3"])),
            header=_header(extra.get("webhook_header", DEFAULT_HEADER)),
            rate=_rate(extra.get("webhook_rate")),
        )
    except ConfigurationError as problem:
        raise ConfigurationError(f"{origin} {problem}") from None


def _secrets(values: Any) -> tuple[Secret, ...]:
    # client_secret is of the OAuth app, and may be another's: never taken instead.
    if not isinstance(values, list) or not values:
        raise ConfigurationError("needs webhook_secrets, a list")
    return tuple(_secret(at, value) for at, value in enumerate(values, 1))


def _secret(position: int, value: Any) -> Secret:
    """One entry: a text, or an object with its end."""
    origin = f"has a webhook_secrets entry (number {position})"
    entry = value if isinstance(value, dict) else {"secret": value}
    if entry.keys() - {"secret", "until"}:
        raise ConfigurationError(f"{origin} with keys other than secret and until")
    text = entry.get("secret")
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(f"{origin} without text")
    if text != text.strip():
        # Nobody signs with it: each delivery would be refused for good.
        raise ConfigurationError(f"{origin} with blanks at an end, such as a newline")
    if "until" not in entry:
        return Secret(text.encode())
    try:
        until = datetime.fromisoformat(entry["until"])
    except (TypeError, ValueError):
        until = None
    if until is None or until.tzinfo is None:
        raise ConfigurationError(
            f"{origin} whose until is no time with its zone, e.g. 2026-12-01T00:00:00Z"
        )
    return Secret(text.encode(), int(until.timestamp() * 1000))


def _public_url(value: Any, environ: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(
            "needs public_url, the base URL that the source calls, "
            "e.g. https://hooks.example.com"
        )
    url = value.rstrip("/")
    if problem := base_url_problem(url, environ):
        raise ConfigurationError(f"has a public_url that {problem}")
    return url


def _networks(values: Any) -> tuple[IPv4Network | IPv6Network, ...]:
    if values is None:
        return ()
    problem = ConfigurationError(
        "has allowed_networks that are no list of networks, "
        'e.g. ["198.51.100.0/24", "2001:db8::/32"]'
    )
    if not isinstance(values, list) or not values:
        raise problem
    # A number would be taken for an address.
    if not all(isinstance(each, str) for each in values):
        raise problem
    try:
        return tuple(ip_network(each) for each in values)
    except ValueError:
        raise problem from None


def _versions(values: Any) -> frozenset[str]:
    if (
        not isinstance(values, list)
        or not all(value in _VERSIONS for value in values)
        or "v3" not in values
    ):
        raise ConfigurationError(
            f"has signature_versions that are no list of {', '.join(_VERSIONS)} "
            "with v3 among them"
        )
    return frozenset(values)


def _header(value: Any) -> str:
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(value):
        raise ConfigurationError(
            "has a webhook_header that is no name of a header, of letters, digits and "
            "hyphens"
        )
    return value.lower()


def _rate(value: Any) -> Rate:
    if value is None:
        return GENEROUS
    match value:
        case {"per_second": int() | float() as per_second, "burst": int() as burst}:
            # A yes or no would be taken for a number.
            numbers = not isinstance(per_second, bool) and not isinstance(burst, bool)
            if numbers and len(value) == 2 and 0 < per_second < 1e6 and burst >= 1:
                return Rate(per_second, burst)
    raise ConfigurationError(
        'has a webhook_rate that is not like {"per_second": 200, "burst": 1000}'
    )
