"""A house whose HubSpot lets nobody in without a token of OAuth."""

import base64
from dataclasses import replace
from typing import Any

from crm_warehouse.clients.registry import client_factory
from crm_warehouse.connections import Connection
from crm_warehouse.connections.lookup import KEY_VARIABLE
from crm_warehouse.connections.oauth import OAuthSettings
from crm_warehouse.connections.urls import ENVIRONMENT_VARIABLE
from crm_warehouse.engine.oauth_tokens import StoredTokens
from crm_warehouse.spec import Source
from include.sandbox.crm import Crm
from tests.proof.house import House

#: Seals in tests, and nowhere else.
KEY = base64.b64encode(bytes(range(32))).decode()
ENVIRON = {KEY_VARIABLE: KEY, ENVIRONMENT_VARIABLE: "dev"}


class OAuthHouse(House):
    """Asks with tokens that it refreshes; ``extra`` is what a person got."""

    def __init__(self, conninfo: str, sandbox: Crm, source: Source) -> None:
        super().__init__(conninfo, sandbox, source)
        self.extra: dict[str, Any] = {}
        self.authorise()

    def authorise(self) -> None:
        """Let a person authorise the app, and put what comes into the connection."""
        told = self.sandbox.admin("POST", "/oauth/authorise")
        self.extra = {**told, "token_url": f"{self.sandbox.base_url}/oauth/v1/token"}

    def oauth(self, **settings: Any) -> dict[str, Any]:
        """Change settings of the sandbox's OAuth; returns its counts, too."""
        told: dict[str, Any] = self.sandbox.admin("PATCH", "/oauth", settings)
        return told

    @property
    def connection(self) -> Connection:
        """The connection as Airflow has it."""
        base_url = self.sandbox.base_url
        return Connection("hubspot_default", host=base_url, extra=self.extra)

    @property
    def settings(self) -> OAuthSettings:
        """The same, read."""
        return OAuthSettings(connection_id="hubspot_default", **self.extra)

    def open_client(self, gate: Any) -> Any:
        """Client of the sandbox."""
        store = StoredTokens(self.conninfo, ENVIRON)
        return client_factory(self.source, self.connection, lambda: store)(gate)

    def of_another_worker(self) -> "OAuthHouse":
        """The same house, seen by a process that knows what this one knows now."""
        other = OAuthHouse.__new__(OAuthHouse)
        House.__init__(other, self.conninfo, self.sandbox, replace(self.source))
        other.extra = dict(self.extra)
        return other
