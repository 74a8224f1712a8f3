"""What the hooks of all source systems share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, NoReturn

from airflow.providers.http.hooks.http import HttpHook

from crm_warehouse.clients.interface import ClientFactory, Window
from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.clients.registry import client_factory
from crm_warehouse.clients.tally import Tally
from crm_warehouse.connections.profiles import profile_of
from crm_warehouse.errors import CrmWarehouseError, TransientSourceError
from crm_warehouse.hooks.conversion import plain_connection
from crm_warehouse.hooks.ways import token_store
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source, with_profile


class SourceApiHook(HttpHook):
    """Airflow connection of a source system -> client of its API.

    The connection's host is the whole base URL (empty: the one of the source's YAML),
    its password the key or token.

    Args:
        conn_id: Airflow connection id.
    """

    conn_name_attr = "conn_id"
    #: Contract name of the source this hook connects to.
    source_name: ClassVar[str]

    def __init__(self, conn_id: str | None = None) -> None:
        self.conn_id = conn_id or self.default_conn_name
        super().__init__(method="GET", http_conn_id=self.conn_id)

    def reached(self, source: Source) -> Source:
        """The source with the profile that the connection names.

        Args:
            source: As its file has it.

        Raises:
            ConfigurationError: The connection is missing, or names no known profile.
        """
        if not source.profiles:
            return source
        return with_profile(source, profile_of(plain_connection(self, self.conn_id)))

    def client_factory(self, source: Source) -> ClientFactory:
        """What the engine calls to get a client around a job's gate.

        Args:
            source: Definition whose API the connection reaches.

        Raises:
            ConfigurationError: The connection is missing, has no password or a bad URL.
        """
        connection = plain_connection(self, self.conn_id)
        return client_factory(source, connection, token_store)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the API for one record: what the UI's test button does.

        Not counted against the quota; the engine's own count is then one too low.

        Returns:
            Whether it worked, and what to tell the person who pressed the button.
        """
        try:
            return True, self._ask(self.reached(self.tested_source()))
        except CrmWarehouseError as error:
            return False, str(error)

    def tested_source(self) -> Source:
        """The source that the test button asks.

        Raises:
            ConfigurationError: Its file is wrong.
        """
        return load_source(default_directory() / f"{self.source_name}.yaml")

    def _ask(self, source: Source) -> str:
        entity = next(iter(source.entities.values()))
        client = self.client_factory(source)(_ImpatientGate())
        try:
            everything = Window(since=None, until=None)
            pages = client.iter_pages(entity, everything, checkpoint=None, page_size=1)
            total = next((page.total for page in pages), 0)
        finally:
            client.close()
        count = "" if total is None else f" and has {total} {entity.name}"
        return f"{source.title} accepts the credentials{count}"


class _ImpatientGate:
    """Lets requests pass at once and never waits: a person looks at a spinner."""

    def __init__(self) -> None:
        self.tally = Tally()

    def take(self, kind: str = "") -> None:
        """Allow the request."""

    def now(self) -> datetime:
        """Aware UTC time."""
        return datetime.now(UTC)

    def pause(self, seconds: float, reason: str) -> NoReturn:
        """Give up instead of waiting."""
        raise TransientSourceError(f"{reason}; try again in {seconds:.0f} s")

    def hold(self, seconds: float, reason: str, kind: str = "") -> None:
        """Tell nobody: there is no warehouse here."""

    def seconds_of_day_left(self) -> float | None:
        """Not known here."""

    def learn(self, allowances: Sequence[Allowance]) -> None:
        """Nothing is counted."""

    def answered(self) -> None:
        """No news."""

    def failed(self, reason: str) -> bool:  # noqa: ARG002
        """No others ask, so that there is nobody to wait for."""
        return False
