"""A database as one of Airflow's connections."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict


def postgres_connection(conninfo: str) -> dict[str, Any]:
    """Fields of the connection that a connection string is, as JSON has them."""
    parts = conninfo_to_dict(conninfo)
    return {
        "conn_type": "postgres",
        "host": parts["host"],
        "port": int(str(parts["port"])),
        "login": parts["user"],
        "password": parts["password"],
        "schema": parts["dbname"],
    }
