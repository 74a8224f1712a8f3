"""ActiveProspect's real service, LeadConduit, in the place of the specified API."""

from dataclasses import replace
from typing import Any

from crm_warehouse.spec import Source, with_profile
from include.sandbox.crm import Crm
from tests.proof.house import SOURCES, House

PROFILE = "leadconduit"
#: Faults strike this list; those of the specified API have other paths.
EVENTS = "*/leadconduit/events"


class RealCrm(Crm):
    """The same CRM, reached as LeadConduit; its truth of leads is the same."""

    def __init__(self, crm: Crm) -> None:
        self.__dict__ |= vars(crm)

    @property
    def base_url(self) -> str:
        """Base URL of the real service."""
        return super().base_url.replace("/v1", "/leadconduit")

    def events(self) -> list[dict[str, Any]]:
        """Rows that the warehouse must hold of all events."""
        rows: list[dict[str, Any]] = self.admin("GET", "/leadconduit/truth")["events"]
        return rows

    def add_late(self, count: int, seconds: float) -> list[str]:
        """Leads whose events were recorded so long ago, and show only now."""
        call = {"count": count, "seconds": seconds}
        ids: list[str] = self.admin("POST", "/leadconduit/late", call)["ids"]
        return ids


def real_source() -> Source:
    """The profile without quotas and pauses."""
    source = with_profile(SOURCES["activeprospect"], PROFILE)
    return replace(
        source,
        quotas=(),
        retry=replace(source.retry, delays=(0.01,) * 3),
        paging=replace(source.paging, size=100),
    )


def real_house(conninfo: str, crm: Crm) -> House:
    """A warehouse with LeadConduit in front of it; quotas off."""
    crm.configure(quota={"enabled": False})
    return House(conninfo, RealCrm(crm), real_source())
