"""What a connection is, and how the two text forms of Airflow become one.

The results equal those of Airflow's own parser (a test compares them), without the
seconds that importing Airflow costs.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from crm_warehouse.errors import ConfigurationError

_TEXTS = ("conn_type", "host", "login", "password", "schema")
_KEYS = {*_TEXTS, "port", "extra", "description"}
_EXTRA = "__extra__"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """Where a system is and how to log in.

    Only id and type show in texts: a host may carry credentials by mistake.

    Attributes:
        id: Airflow connection id.
        conn_type: Kind of system, e.g. ``postgres``; empty when not given.
        host: Base URL with scheme, port and path; for databases a host name.
        login: User name.
        password: Password, API key or token.
        schema: Database name.
        port: Port number.
        extra: Further settings.
    """

    id: str
    conn_type: str = ""
    host: str | None = None
    login: str | None = None
    password: str | None = None
    schema: str | None = None
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", MappingProxyType(dict(self.extra)))

    def __repr__(self) -> str:
        return f"Connection(id={self.id!r}, conn_type={self.conn_type!r})"

    def as_json(self) -> str:
        """Airflow's JSON form, secrets included, without the id."""
        values = {key: getattr(self, key) for key in (*_TEXTS, "port")}
        return json.dumps(values | {"extra": dict(self.extra)}, sort_keys=True)


def parse_connection(conn_id: str, text: str, origin: str) -> Connection:
    """Read Airflow's URI or JSON form.

    Args:
        conn_id: Connection id.
        text: The form, which is never shown.
        origin: Where the text is from, for messages.

    Raises:
        ConfigurationError: The text is neither form, or has unusable parts.
    """
    text = text.strip()
    fail = _failure(origin)
    parse = _from_json if text.startswith("{") else _from_uri
    return parse(conn_id, text, fail)


def _failure(origin: str) -> Callable[[str], ConfigurationError]:
    return lambda what: ConfigurationError(f"{origin}: {what}")


def _from_json(
    conn_id: str, text: str, fail: Callable[[str], ConfigurationError]
) -> Connection:
    try:
        values = json.loads(text)
    except ValueError:
        raise fail("begins with '{' but is not valid JSON") from None
    if values.keys() - _KEYS:
        raise fail(f"has keys other than {', '.join(sorted(_KEYS))}")
    for key in _TEXTS:
        if not isinstance(values.get(key, ""), str | None):
            raise fail(f"{key} must be text; put it in quotes")
    return Connection(
        conn_id,
        conn_type=_conn_type(values.get("conn_type") or ""),
        host=values.get("host"),
        login=values.get("login"),
        password=values.get("password"),
        schema=values.get("schema"),
        port=_port(values.get("port"), fail),
        extra=_extra(values.get("extra"), fail),
    )


def _port(value: Any, fail: Callable[[str], ConfigurationError]) -> int | None:
    if value in (None, ""):
        return None
    digits = str(value)
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 0 < int(digits) < 65536:
        raise fail("port must be a number from 1 to 65535")
    return int(digits)


def _extra(value: Any, fail: Callable[[str], ConfigurationError]) -> dict[str, Any]:
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError:
            raise fail("extra is not valid JSON") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise fail("extra must be a JSON object")
    return value


def _from_uri(
    conn_id: str, uri: str, fail: Callable[[str], ConfigurationError]
) -> Connection:
    match uri.split("://"):
        case [conn_type, rest]:
            protocol = ""
        case [conn_type, protocol, rest]:
            pass
        case _:
            raise fail("is neither JSON nor a URI such as type://:token@host/path")
    if not _SCHEME.fullmatch(conn_type):
        raise fail("the type before '://' must be of letters, digits and '-'")
    if protocol and not _SCHEME.fullmatch(protocol):
        raise fail("a '://' behind the first must be written %3A%2F%2F")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port
    except ValueError:
        raise fail("the host or port in the URI cannot be read") from None
    host = _host(parts)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Connection(
        conn_id,
        conn_type=_conn_type(conn_type.lower()),
        host=f"{protocol.lower()}://{host}" if protocol and host else host,
        login=_unquoted(parts.username),
        password=_unquoted(parts.password),
        schema=unquote(parts.path[1:]),
        port=port,
        extra=_extra(query.get(_EXTRA, query), fail),
    )


def _host(parts: SplitResult) -> str:
    """Host name; one that is a quoted path or URL keeps its capitals."""
    host = unquote(parts.hostname or "")
    if "/" not in host:
        return host
    return unquote(parts.netloc.rpartition("@")[2].partition(":")[0])


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _conn_type(text: str) -> str:
    return "postgres" if text == "postgresql" else text.replace("-", "_")
