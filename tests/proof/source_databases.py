"""Databases that a source may have, each with a login that may only read it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import sqlalchemy as sa

from crm_warehouse.connections import Connection
from include.local_stack.postgres import Postgres
from tests.proof.mariadb import MariaDb

#: Role of PostgreSQL that may only read.
READER = "crm_reader"
KINDS = ("sqlite", "postgres", "mariadb")


@dataclass(frozen=True)
class SourceDatabase:
    """One database of a source.

    Attributes:
        kind: One of ``KINDS``.
        engine: Its owner's way in.
        connection: The warehouse's, which may only SELECT.
        owner: The owner's.
        cut: Ends all sessions of the reader.
    """

    kind: str
    engine: sa.Engine
    connection: Connection
    owner: Connection
    cut: Callable[[], None]

    def execute(self, *statements: str) -> None:
        """Run statements as its owner."""
        with self.engine.begin() as conn:
            for statement in statements:
                conn.execute(sa.text(statement.replace(":", r"\:")))


@contextmanager
def sqlite_database(folder: Path) -> Iterator[SourceDatabase]:
    """A file."""
    path = folder / f"{secrets.token_hex(6)}.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        # Others write while it is read, as in other databases. Makes the file, too.
        conn.exec_driver_sql("PRAGMA journal_mode = WAL")
    try:
        connection = Connection("genius_database", "sqlite", host=str(path))
        yield SourceDatabase("sqlite", engine, connection, connection, lambda: None)
    finally:
        engine.dispose()


@contextmanager
def postgres_database(server: Postgres) -> Iterator[SourceDatabase]:
    """A database of a server, owned by the warehouse's role; another one reads it."""
    name = f"crm_{secrets.token_hex(6)}"
    server.create_database(name, "crm_warehouse")
    target = server.conninfo(name, "crm_warehouse")
    password = secrets.token_hex(16)
    # Roles are the server's: one of this database's own name is nobody else's.
    reader = f"{READER}_{name}"
    with psycopg.connect(server.conninfo(name), autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{password}'")
        conn.execute(f"GRANT CONNECT ON DATABASE {name} TO {reader}")
        conn.execute(f"GRANT USAGE ON SCHEMA public TO {reader}")
        conn.execute("GRANT CREATE ON SCHEMA public TO crm_warehouse")
        conn.execute(
            "ALTER DEFAULT PRIVILEGES FOR ROLE crm_warehouse"
            f" GRANT SELECT ON TABLES TO {reader}"
        )
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(target)
    )
    connection = Connection(
        "genius_database", "postgres", "127.0.0.1", reader, password, name, server.port
    )
    told = psycopg.conninfo.conninfo_to_dict(target)
    owner = replace(connection, login=str(told["user"]), password=str(told["password"]))

    def cut() -> None:
        with psycopg.connect(server.conninfo(name), autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = %s",
                [reader],
            )

    try:
        yield SourceDatabase("postgres", engine, connection, owner, cut)
    finally:
        engine.dispose()
        with psycopg.connect(server.conninfo(name), autocommit=True) as conn:
            conn.execute(f"DROP OWNED BY {reader}")
        server.drop_database(name)
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
            conn.execute(f"DROP ROLE {reader}")


@contextmanager
def mariadb_database(server: MariaDb) -> Iterator[SourceDatabase]:
    """A database of a server."""
    name = server.make_database()
    engine = sa.create_engine(
        "mysql+pymysql://", creator=lambda: server.connect(server.owner, name)
    )
    connection = Connection(
        "genius_database",
        "mysql",
        host="127.0.0.1",
        login=server.reader,
        password=server.passwords[server.reader],
        schema=name,
        port=server.port,
    )
    owner = replace(
        connection, login=server.owner, password=server.passwords[server.owner]
    )
    try:
        yield SourceDatabase("mariadb", engine, connection, owner, server.cut_reader)
    finally:
        engine.dispose()
        server.drop_database(name)


#: Opens a database of a kind, which lives as long as the test.
OpenDatabase = Callable[[str], SourceDatabase]
