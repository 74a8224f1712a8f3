"""A PostgreSQL connection as libpq understands it."""

from crm_warehouse.connections.model import Connection
from crm_warehouse.errors import ConfigurationError

#: Keys of ``extra`` that libpq receives. A word outside this list is refused rather
#: than ignored: a misspelt ``sslmode`` would be an open line.
OPTIONS = (
    "application_name",
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
)


def conninfo(connection: Connection) -> str:
    """Connection string for libpq; it holds the password.

    Raises:
        ConfigurationError: The connection is of another type, or an ``extra`` key or
            value is not one of libpq's.
    """
    origin = f"connection {connection.id!r}"
    if connection.conn_type != "postgres":
        raise ConfigurationError(
            f"{origin}: is of type {connection.conn_type!r}, but must be postgres"
        )
    if unknown := sorted(connection.extra.keys() - set(OPTIONS)):
        raise ConfigurationError(
            f"{origin}: unknown keys in extra: {', '.join(unknown)}; "
            f"known: {', '.join(OPTIONS)}"
        )
    values = {
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
        "user": connection.login,
        "password": connection.password,
        **connection.extra,
    }
    given = {key: value for key, value in values.items() if value not in (None, "")}
    for key, value in given.items():
        # libpq would read up to the NUL and log in with half a password.
        if not isinstance(value, str | int) or "\0" in str(value):
            raise ConfigurationError(f"{origin}: {key} must be text or a whole number")
    # Only here: importing psycopg takes longer than the rest of this package.
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**given)
