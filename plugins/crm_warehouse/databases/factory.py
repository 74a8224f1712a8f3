"""What opens a source's database. Light to import: no driver is loaded."""

from crm_warehouse.clients.interface import ClientFactory, Gate, SourceClient
from crm_warehouse.connections import Connection
from crm_warehouse.spec import Source


def client_factory(source: Source, connection: Connection) -> ClientFactory:
    """What builds the client of the source's database around a job's gate.

    Args:
        source: Definition of the source.
        connection: Its database: of type ``mysql``, ``mariadb``, ``postgres`` or
            ``sqlite``.

    Raises:
        ConfigurationError: The connection cannot be used.
    """
    # Only here, so that DAG files parse without SQLAlchemy.
    from crm_warehouse.databases.server import server_of

    server = server_of(connection, source.timeout_seconds)

    def open_client(gate: Gate) -> SourceClient:
        from crm_warehouse.databases.client import DatabaseClient

        return DatabaseClient(source, server, gate)

    return open_client
