"""The client that tests of the sandbox ask with."""

from typing import Any

import requests

from include.sandbox.server import SandboxServer

ENTITIES = ("prospects", "appointments", "users", "divisions", "marketing_sources")


class Api:
    """A client that asks what it is told and repairs nothing."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {server.token}"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.server.base_url + path, params=params, timeout=5)

    def all(self, entity: str, **params: Any) -> list[dict[str, Any]]:
        """Every record, by as many pages as the envelope names."""
        records, page, pages = [], 1, 1
        while page <= pages:
            answer = self.get(f"/{entity}", page=page, **params)
            assert answer.status_code == 200
            envelope = answer.json()
            records += envelope["data"]
            pages, page = envelope["total_pages"], page + 1
        return records
