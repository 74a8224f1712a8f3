"""The warehouse as Airflow knows it."""

from airflow.providers.postgres.hooks.postgres import PostgresHook

from crm_warehouse import connections
from crm_warehouse.hooks.conversion import plain_connection


class WarehouseHook(PostgresHook):
    """The PostgreSQL connection ``crm_warehouse``.

    The engine opens its own psycopg connections, because it sets their timeouts and
    takes session locks; it asks this hook only where the database is.
    """

    default_conn_name = "crm_warehouse"

    def conninfo(self) -> str:
        """Connection string for libpq; holds the password, so never log it.

        Raises:
            ConfigurationError: The connection is missing or unusable.
        """
        return connections.conninfo(plain_connection(self, self.get_conn_id()))
