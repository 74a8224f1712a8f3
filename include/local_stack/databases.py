"""Roles and databases of a server of ours."""

from abc import ABC, abstractmethod
from typing import Any

import psycopg
from psycopg import sql

from include.local_stack.errors import StackError


class Databases(ABC):
    """What a superuser does; the server itself is the subclass's business."""

    @abstractmethod
    def conninfo(self, database: str, role: str = ...) -> str:
        """Connection string of a role to a database."""

    def create_role(self, name: str, password: str) -> None:
        """Make a login role without privileges, or set the password of one.

        The server sees only the SCRAM verifier, so no log can show the password.
        """
        with self._superuser() as connection:
            verifier = connection.pgconn.encrypt_password(
                password.encode(), name.encode(), b"scram-sha-256"
            ).decode("ascii")
            query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            there = connection.execute(query, [name]).fetchone()
            verb = "ALTER" if there else "CREATE"
            statement = "{} ROLE {} LOGIN NOSUPERUSER PASSWORD {}"
            connection.execute(
                sql.SQL(statement).format(
                    sql.SQL(verb), sql.Identifier(name), sql.Literal(verifier)
                )
            )

    def has_database(self, name: str) -> bool:
        """Whether there is a database of this name."""
        with self._superuser() as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            return connection.execute(query, [name]).fetchone() is not None

    def create_database(
        self, name: str, owner: str, template: str | None = None
    ) -> None:
        """Make a database that only its owner may enter.

        Args:
            name: Its name.
            owner: Role that owns it.
            template: Database to copy; nobody may be connected to it.
        """
        parts = {
            "name": sql.Identifier(name),
            "owner": sql.Identifier(owner),
            "template": sql.Identifier(template or "template1"),
        }
        create = "CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}"
        with self._superuser() as connection:
            connection.execute(sql.SQL(create).format(**parts))
            revoke = "REVOKE ALL ON DATABASE {name} FROM PUBLIC"
            connection.execute(sql.SQL(revoke).format(**parts))

    def drop_database(self, name: str) -> None:
        """Remove a database; open sessions are cut off."""
        drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        with self._superuser() as connection:
            connection.execute(sql.SQL(drop).format(sql.Identifier(name)))

    def _superuser(self) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            return psycopg.connect(self.conninfo("postgres"), autocommit=True)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    "The database does not know the stored passwords: its data and "
                    "the secrets are not of one stack. Restore the secrets folder, "
                    "or `make clean` to begin anew with empty databases."
                ) from None
            raise
