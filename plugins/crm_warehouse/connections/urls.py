"""Base URLs that credentials may be sent to."""

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from crm_warehouse.connections.model import Connection
from crm_warehouse.errors import ConfigurationError

ENVIRONMENT_VARIABLE = "CRM_WAREHOUSE_ENV"
_SCHEMES = ("http", "https")


def base_url(
    connection: Connection, default: str, environ: Mapping[str, str] = os.environ
) -> str:
    """Where an API lives: the connection's host as a whole, else ``default``.

    Args:
        connection: Its host may hold the whole URL, or host, port and schema its parts.
        default: Base URL of the source file.
        environ: Where ``CRM_WAREHOUSE_ENV`` is looked up.

    Returns:
        The URL without trailing slash.

    Raises:
        ConfigurationError: Credentials must not be sent there.
    """
    origin = f"connection {connection.id!r}: its host"
    if not connection.host:
        origin = f"connection {connection.id!r} has no host, and base_url"
    url = (_assembled(connection) if connection.host else default).rstrip("/")
    if problem := base_url_problem(url, environ):
        raise ConfigurationError(f"{origin} {problem}")
    return url


def base_url_problem(url: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """What keeps ``url`` from being a base URL, or None. Never shows the URL."""
    if re.search(r"[\s\\\x00-\x20\x7f]", url):
        return "must not hold blanks, backslashes or control characters"
    try:
        parts = urlsplit(url)
        hostname = parts.hostname
        if parts.port == 0:
            return "must not name port 0"
    except ValueError:
        return "is no URL; write e.g. https://api.example.com/v1"
    if parts.scheme not in _SCHEMES or not hostname:
        return "must be a whole URL, e.g. https://api.example.com/v1"
    if "@" in parts.netloc:
        return "must not hold credentials; they belong in login and password"
    if "?" in url or "#" in url:
        return "must have neither query nor fragment"
    if parts.scheme == "http" and not _plain_allowed(hostname, environ):
        return (
            "must begin with https://; plain http is for hosts of this machine only, "
            f"with {ENVIRONMENT_VARIABLE}=dev"
        )
    if url.endswith("/"):
        return "must not end with a slash"
    return None


def _plain_allowed(hostname: str, environ: Mapping[str, str]) -> bool:
    return environ.get(ENVIRONMENT_VARIABLE) == "dev" and _is_loopback(hostname)


def _is_loopback(hostname: str) -> bool:
    if hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def _assembled(connection: Connection) -> str:
    """The URL that host, port and schema make together."""
    host, schema = connection.host or "", connection.schema or ""
    if "://" not in host:
        schemes = (schema, connection.conn_type, "https")
        host = f"[{host}]" if ":" in host else host  # an IPv6 address
        host = f"{next(word for word in schemes if word in _SCHEMES)}://{host}"
    path = "" if schema in _SCHEMES else schema.strip("/")
    authority = host.partition("://")[2]
    if connection.port and not _has_port(host) and "/" not in authority:
        host = f"{host}:{connection.port}"
    return f"{host.rstrip('/')}/{path}" if path else host


def _has_port(url: str) -> bool:
    parts: SplitResult = urlsplit(url)
    return bool(re.search(r":[0-9]+$", parts.netloc))
