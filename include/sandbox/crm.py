"""Steer one CRM of a running sandbox: what tests and the demonstration ask of it."""

import json
from collections.abc import Mapping
from typing import Any

import requests

from include.sandbox.settings import Settings

#: The first call about a large CRM makes all its records.
ADMIN_SECONDS = 120


class Crm:
    """One CRM of a sandbox process.

    Args:
        settings: What the process is started with.
        system: Name of the CRM.
        http: Asks the process.
        url: The process's, when it runs.
        roots: Base URL of each CRM.
    """

    def __init__(
        self,
        settings: Settings,
        system: str,
        http: requests.Session,
        url: str = "",
        roots: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.system = system
        self.url = url
        self._http = http
        self._roots = dict(roots or {})

    @property
    def base_url(self) -> str:
        """Base URL of the CRM's API, as a connection's host gives it."""
        return self._roots[self.system]

    @property
    def token(self) -> str:
        """The token or key that the CRM accepts."""
        return self.settings.token(self.system)

    def admin(self, method: str, path: str, call: dict[str, Any] | None = None) -> Any:
        """One admin call about the CRM; returns its JSON answer.

        Args:
            method: HTTP method.
            path: Below ``/_sandbox/<system>``, e.g. ``/stats``.
            call: JSON body.

        Raises:
            ValueError: The sandbox refuses; the message is its own.
        """
        url = f"{self.url}/_sandbox/{self.system}{path}"
        answer = self._http.request(method, url, json=call, timeout=ADMIN_SECONDS)
        if not answer.ok:
            raise ValueError(f"{method} {path}: {answer.json()['error']}")
        return answer.json()

    def configure(self, **settings: Any) -> dict[str, Any]:
        """Change settings; returns all of them."""
        changed: dict[str, Any] = self.admin("PATCH", "/settings", settings)
        return changed

    def move(self, entity: str, action: str, count: int = 1, **more: Any) -> list[Any]:
        """``create``, ``change``, ``delete``, ``spoil``, ``mend``; returns the ids.

        Some CRMs have further actions; ids are as the API writes them.
        """
        call = {"count": count, **more}
        ids: list[Any] = self.admin("POST", f"/{entity}/{action}", call)["ids"]
        return ids

    def fault(self, kind: str, **options: Any) -> int:
        """Switch a fault on; returns its id."""
        number: int = self.admin("POST", "/faults", {"kind": kind, **options})["id"]
        return number

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self.admin("DELETE", "/faults")

    def stats(self) -> dict[str, Any]:
        """Counts of requests since the last reset."""
        counts: dict[str, Any] = self.admin("GET", "/stats")
        return counts

    def log(self) -> list[dict[str, Any]]:
        """The newest requests, one by one."""
        entries: list[dict[str, Any]] = self.admin("GET", "/log")["requests"]
        return entries

    def truth(self, entity: str, into: str | None = None) -> list[dict[str, Any]]:
        """What the warehouse must hold of an entity, one object per live record.

        Args:
            entity: As the API names it.
            into: Unified table, when the entity fills more than its own.
        """
        return self._lines(f"/truth/{entity}" + (f"?into={into}" if into else ""))

    def deleted(self, entity: str) -> list[str]:
        """Ids of the records that were deleted, in that order."""
        lines = self._lines(f"/truth/{entity}/deleted")
        return [line["source_id"] for line in lines]

    def known_keys(self, entity: str) -> set[tuple[str, str, str]]:
        """What live records say under which ids others know them: id, kind, value."""
        lines = self._lines(f"/truth/{entity}/known_keys")
        return {
            (line["source_id"], line["key_kind"], line["key_value"]) for line in lines
        }

    def csv(self, entity: str) -> bytes:
        """The entity's records as the vendor's CSV export."""
        url = f"{self.url}/_sandbox/{self.system}/truth/{entity}/csv"
        answer = self._http.get(url, timeout=ADMIN_SECONDS)
        answer.raise_for_status()
        return answer.content

    def _lines(self, path: str) -> list[dict[str, Any]]:
        url = f"{self.url}/_sandbox/{self.system}{path}"
        answer = self._http.get(url, timeout=ADMIN_SECONDS)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.content.splitlines()]
