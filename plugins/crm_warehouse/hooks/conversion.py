"""Airflow's connections as the plain objects that the rest of the package knows."""

from typing import TYPE_CHECKING

from airflow.sdk.log import mask_secret

from crm_warehouse.connections import Connection

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection


def plain(connection: "AirflowConnection") -> Connection:
    """The same connection without Airflow; its secrets are masked in the task's log.

    Args:
        connection: As a hook's ``get_connection`` returns it.
    """
    if connection.password:
        mask_secret(connection.password)
    return Connection(
        id=connection.conn_id,
        conn_type=connection.conn_type,
        host=connection.host,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        port=connection.port,
        extra=connection.extra_dejson,
    )
