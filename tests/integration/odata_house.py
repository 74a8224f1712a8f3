"""A warehouse in front of MarketSharp's OData service of the sandbox."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from crm_warehouse.clients.registry import build_client
from crm_warehouse.clients.signing import SignedTokens
from crm_warehouse.spec import Source
from include.sandbox.crm import Crm
from include.sandbox.marketsharp.odata import COMPANY, SECRET, SERVICE
from tests.proof.house import SOURCES, House

MARKETSHARP = SOURCES["marketsharp"]
#: Entity -> its set, and the unified table that it fills.
SETS = {
    "contacts": ("Contacts", "contacts"),
    "leads": ("Inquiries", "leads"),
    "jobs": ("Jobs", "jobs"),
    "activities": ("Activities", "activities"),
    "appointments": ("Appointments", "appointments"),
    "contact_phones": ("ContactPhones", "contact_phones"),
    "addresses": ("Addresses", "addresses"),
    "employees": ("Employees", "users"),
    "inquiry_statuses": ("InquiryStatuses", "pipeline_stages"),
    "inquiry_sources": ("InquirySourcePrimaries", "marketing_sources"),
}


def quick(source: Source) -> Source:
    """Without quotas and pauses, in pages that these few records fill several of."""
    retry = replace(source.retry, delays=(0.01,) * 3)
    paging = source.paging
    if paging.style == "odata":
        paging = replace(paging, size=40)
    return replace(source, quotas=(), retry=retry, paging=paging)


ODATA = quick(MARKETSHARP.profiles["odata"])


class ODataHouse(House):
    """Syncs MarketSharp with profile ``odata``.

    Args:
        conninfo: The warehouse.
        crm: The sandbox's MarketSharp.
    """

    def __init__(self, conninfo: str, crm: Crm, source: Source = ODATA) -> None:
        super().__init__(conninfo, crm, source)

    def open_client(self, gate: Any) -> Any:
        """Client of the OData service."""
        tokens = SignedTokens(COMPANY, self.sandbox.token, base64.b64decode(SECRET))
        url = self.sandbox.base_url + SERVICE
        return build_client(self.source, base_url=url, token=tokens, gate=gate)

    def truth(self, entity: str) -> list[dict[str, Any]]:
        """What the warehouse must hold of an entity."""
        name, _ = SETS[entity]
        answer = self.sandbox.admin("GET", f"/odata/truth/{name}")
        rows: list[dict[str, Any]] = answer["rows"]
        return sorted(rows, key=lambda row: row["source_id"])

    def held(self, entity: str) -> list[dict[str, Any]]:
        """What it does hold, in the form of the truth."""
        _, table = SETS[entity]
        truth = self.truth(entity)
        columns = ", ".join(truth[0]) if truth else "source_id"
        found = self.rows(
            f"SELECT {columns} FROM warehouse.{table}"
            ' WHERE NOT is_deleted ORDER BY source_id COLLATE "C"'
        )
        return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
