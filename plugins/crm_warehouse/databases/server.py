"""The servers that a source's database may run on: how to reach and to ask each."""

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crm_warehouse.connections import Connection, conninfo
from crm_warehouse.errors import ConfigurationError

#: Longest silence of a server while it sorts what is to be read.
_READ_SECONDS = 600
_MYSQL_EXTRA = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_mode")
_SSL_MODES = ("disabled", "required", "verify")


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """One database, and the words of its kind.

    Attributes:
        id: Airflow connection id, for messages.
        scheme: Of SQLAlchemy's dialect and driver.
        connect: Opens a connection that can only read, and whose times of instants
            are UTC. Holds the password, so it is never shown.
        begin: Begins a transaction that sees one state of the database throughout.
        clock: Asks for its time in UTC, as ``YYYY-MM-DD HH:MM:SS.ffffff``.
    """

    id: str
    scheme: str
    connect: Callable[[], Any]
    begin: str
    clock: str

    def __repr__(self) -> str:
        return f"Server(id={self.id!r}, scheme={self.scheme!r})"


def server_of(connection: Connection, timeout_seconds: float) -> Server:
    """The server that a connection names.

    Args:
        connection: Its type says which kind it is.
        timeout_seconds: Longest wait until it takes the connection.

    Raises:
        ConfigurationError: Another type, or something in it is missing or unknown.
    """
    make = _KINDS.get(connection.conn_type)
    if make is None:
        raise ConfigurationError(
            f"connection {connection.id!r}: is of type {connection.conn_type!r}, but a "
            f"source's database must be one of {', '.join(_KINDS)}"
        )
    return make(connection, max(1, round(timeout_seconds)))


def _mysql(connection: Connection, timeout: int) -> Server:
    given = {
        "host": connection.host,
        "user": connection.login,
        "database": connection.schema,
    }
    if missing := [name for name, value in given.items() if not value]:
        raise ConfigurationError(
            f"connection {connection.id!r}: {', '.join(missing)} is missing"
        )
    options = {
        **given,
        "port": connection.port or 3306,
        "password": connection.password or "",
        "ssl": _ssl_context(connection),
        "charset": "utf8mb4",
        "connect_timeout": timeout,
        "read_timeout": _READ_SECONDS,
        "autocommit": True,
    }

    def connect() -> Any:
        import pymysql
        from pymysql.constants import FIELD_TYPE
        from pymysql.converters import conversions

        # Times stay text: zero dates are no dates, and 838 hours no time of day.
        times = {
            *(FIELD_TYPE.DATE, FIELD_TYPE.DATETIME),
            *(FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME),
        }
        conv = {kind: how for kind, how in conversions.items() if kind not in times}
        opened = pymysql.connect(**options, conv=conv)
        with opened.cursor() as cursor:
            # Not the server's modes: some make an error of asking for zero dates.
            cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return opened

    return Server(
        connection.id,
        "mysql+pymysql",
        connect,
        begin="START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        clock="SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)",
    )


def _ssl_context(connection: Connection) -> ssl.SSLContext | None:
    """TLS as ``extra`` says; verified unless the server is on this machine."""
    extra, origin = connection.extra, f"connection {connection.id!r}"
    if unknown := sorted(extra.keys() - {*_MYSQL_EXTRA}):
        raise ConfigurationError(
            f"{origin}: unknown keys in extra: {', '.join(unknown)}; "
            f"known: {', '.join(_MYSQL_EXTRA)}"
        )
    here = _is_loopback(connection.host or "")
    mode = extra.get("ssl_mode", "disabled" if here else "verify")
    if mode not in _SSL_MODES:
        raise ConfigurationError(
            f"{origin}: ssl_mode in extra must be one of {', '.join(_SSL_MODES)}"
        )
    if mode == "disabled":
        return None
    try:
        context = ssl.create_default_context(cafile=extra.get("ssl_ca"))
        if extra.get("ssl_cert"):
            context.load_cert_chain(extra["ssl_cert"], extra.get("ssl_key"))
    except (OSError, TypeError):  # ssl.SSLError is one
        raise ConfigurationError(
            f"{origin}: ssl_ca, ssl_cert or ssl_key in extra cannot be read"
        ) from None
    if mode == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


#: A network that fell silent is noticed within two minutes, not after hours.
_ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}


def _postgres(connection: Connection, timeout: int) -> Server:
    defaults: dict[str, Any] = {"connect_timeout": timeout, **_ALIVE}
    if not _is_loopback(connection.host or "localhost"):
        defaults["sslmode"] = "verify-full"
    extra = {**defaults, **connection.extra}
    target = conninfo(replace(connection, extra=extra))

    def connect() -> Any:
        import psycopg
        from psycopg.types.string import TextLoader

        # Said, because text of a server of no encoding would come as bytes.
        opened = psycopg.connect(target, autocommit=True, client_encoding="UTF8")
        opened.execute("SET TIME ZONE 'UTC'")
        opened.execute("SET default_transaction_read_only = on")
        # Times stay text: Python's end with the year 9999, and know no infinity.
        for kind in ("date", "time", "timetz", "timestamp", "timestamptz"):
            opened.adapters.register_loader(kind, TextLoader)
        return opened

    return Server(
        connection.id,
        "postgresql+psycopg",
        connect,
        begin="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        clock="SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text",
    )


def _sqlite(connection: Connection, timeout: int) -> Server:
    path = Path(connection.host or connection.schema or "")
    if not path.is_file():
        raise ConfigurationError(
            f"connection {connection.id!r}: its host must be the path of an SQLite file"
        )
    target = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> Any:
        import sqlite3

        opened = sqlite3.connect(
            target, timeout=timeout, uri=True, check_same_thread=False
        )
        opened.text_factory = lambda sent: sent.decode("utf-8", "surrogateescape")
        return opened

    return Server(
        connection.id,
        "sqlite",
        connect,
        begin="BEGIN",
        clock="SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    )


_KINDS: dict[str, Callable[[Connection, int], Server]] = {
    "mysql": _mysql,
    "mariadb": _mysql,
    "postgres": _postgres,
    "sqlite": _sqlite,
}
