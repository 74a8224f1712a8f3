"""A warehouse in front of MarketSharp's OData service of the sandbox."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from crm_warehouse.clients.signing import SignedTokens
from crm_warehouse.spec import Source
from include.sandbox.crm import Crm
from include.sandbox.marketsharp.odata import COMPANY, SECRET, SERVICE
from include.sandbox.marketsharp.odata_sets import uuid_of
from tests.proof.house import SOURCES, House
from tests.proof.oracle import ABOUT

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


class ODataCrm(Crm):
    """The same CRM, reached by its OData service; entities as the source has them."""

    def __init__(self, crm: Crm) -> None:
        self.__dict__ |= vars(crm)

    @property
    def base_url(self) -> str:
        """Base URL of the service."""
        return super().base_url + SERVICE

    @property
    def token(self) -> Any:
        """What signs requests."""
        return SignedTokens(COMPANY, super().token, base64.b64decode(SECRET))

    def truth(self, entity: str, into: str | None = None) -> list[dict[str, Any]]:
        """What must become of each record that is active."""
        assert into is None, "each fills one table"
        name, _ = SETS[entity]
        rows: list[dict[str, Any]] = self.admin("GET", f"/odata/truth/{name}")["rows"]
        return rows

    def move(self, entity: str, action: str, count: int = 1, **more: Any) -> list[Any]:
        """The same; ids as the service writes them."""
        keys = super().move(entity, action, count, **more)
        return [str(uuid_of(entity, key)) for key in keys]

    def fault(self, kind: str, **options: Any) -> int:
        """The same; paths are below the service's."""
        if "path" in options:
            options["path"] = SERVICE + options["path"]
        return super().fault(kind, **options)


class ODataHouse(House):
    """Syncs MarketSharp with profile ``odata``.

    Args:
        conninfo: The warehouse.
        crm: The sandbox's MarketSharp.
    """

    def __init__(self, conninfo: str, crm: Crm, source: Source = ODATA) -> None:
        super().__init__(conninfo, ODataCrm(crm), source)

    def truth(self, entity: str) -> list[dict[str, Any]]:
        """What the warehouse must hold of an entity."""
        rows = [
            {name: value for name, value in line.items() if name not in ABOUT}
            for line in self.sandbox.truth(entity)
            if line["expect"] == "keep"
        ]
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
