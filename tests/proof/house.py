"""A warehouse with a sandbox in front of it: sync, then look."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from crm_warehouse.clients.auth import basic_token
from crm_warehouse.clients.registry import build_client
from crm_warehouse.csv_files.file import look_at
from crm_warehouse.engine.file_imports import opener
from crm_warehouse.engine.job import SyncRequest, SyncResult, WebhookRequest
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import load_sources
from crm_warehouse.spec import Source
from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer

#: The repository's, whichever folder the variable names for sources of one's own.
SOURCES = load_sources(Path(__file__).parents[2] / "include" / "sources")
GENIUS = SOURCES["genius"]


class House:
    """Syncs a sandbox into one database, and looks at what came of it.

    Args:
        conninfo: The warehouse.
        sandbox: The CRM.
        source: Definition to run with.
    """

    def __init__(
        self, conninfo: str, sandbox: SandboxServer | Crm, source: Source
    ) -> None:
        self.conninfo = conninfo
        self.sandbox = sandbox
        self.source = source

    def sync(
        self, entity: str, mode: Any = "incremental", **options: Any
    ) -> SyncResult:
        """One sync; options are those of :class:`SyncRequest`, and ``progress``."""
        progress = options.pop("progress", None)
        request = SyncRequest(
            source=self.source,
            entity=self.source.entities[entity],
            source_system=self.source.name,
            mode=mode,
            **options,
        )
        return run_sync(
            request,
            conninfo=self.conninfo,
            open_client=self.open_client,
            progress=progress,
        )

    def import_file(
        self, entity: str, path: Path, mode: Any = "incremental", **options: Any
    ) -> SyncResult:
        """One CSV file; options are those of :meth:`sync`."""
        way = self.source.entities[entity].csv
        assert way is not None
        progress = options.pop("progress", None)
        request = SyncRequest(
            source=self.source,
            entity=self.source.entities[entity],
            source_system=self.source.name,
            mode=mode,
            via="csv",
            file=look_at(path, way),
            **options,
        )
        return run_sync(
            request,
            conninfo=self.conninfo,
            open_client=opener(request),
            progress=progress,
        )

    def merge_webhooks(self, **options: Any) -> SyncResult:
        """One merge; options are those of :class:`WebhookRequest`."""
        return merge_webhooks(
            WebhookRequest(self.source, self.source.name, **options),
            conninfo=self.conninfo,
            open_client=self.open_client,
        )

    @property
    def base_url(self) -> str:
        """Where the source is asked."""
        return self.sandbox.base_url

    def open_client(self, gate: Any) -> Any:
        """Client of the sandbox, which shows the token as the source's file says."""
        token = self.sandbox.token
        if self.source.auth.style == "basic":
            login, _, password = token.rpartition(":")
            token = basic_token(login, password)
        return build_client(self.source, base_url=self.base_url, token=token, gate=gate)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with psycopg.connect(self.conninfo, row_factory=dict_row) as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *values: Any) -> Any:
        """The one value of a query."""
        return next(iter(self.rows(statement, *values)[0].values()))


#: Opens the house of a system, by its name.
Open = Callable[[str], House]
