"""Airflow's connections as the plain objects that the rest of the package knows."""

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

from crm_warehouse.connections import Connection
from crm_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import BaseHook
    from airflow.sdk import Connection as AirflowConnection


def plain_connection(hook: "type[BaseHook] | BaseHook", conn_id: str) -> Connection:
    """A connection without Airflow, which masks its secrets in the task's log.

    Args:
        hook: Hook that asks.
        conn_id: Airflow connection id.

    Raises:
        ConfigurationError: Nobody has made this connection.
    """
    try:
        connection = hook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise _missing(conn_id) from error
    return _plain(conn_id, connection)


async def await_plain_connection(hook: "type[BaseHook]", conn_id: str) -> Connection:
    """The same where nothing may block: in a trigger.

    Args:
        hook: Hook that asks.
        conn_id: Airflow connection id.

    Raises:
        ConfigurationError: Nobody has made this connection.
    """
    try:
        connection = await hook.aget_connection(conn_id)
    except AirflowNotFoundException as error:
        raise _missing(conn_id) from error
    return _plain(conn_id, connection)


def _missing(conn_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"connection {conn_id}: does not exist; create it in Airflow under Admin, "
        f"Connections, or set AIRFLOW_CONN_{conn_id.upper()}"
    )


def _plain(conn_id: str, connection: "AirflowConnection") -> Connection:
    return Connection(
        id=conn_id,
        conn_type=connection.conn_type or "",
        host=connection.host,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        port=connection.port,
        extra=connection.extra_dejson,
    )
