"""The properties that HubSpot's objects have, and which of them it shows unasked."""

from collections.abc import Container
from typing import Any, NamedTuple


class Property(NamedTuple):
    """One property of an object type.

    Attributes:
        name: Internal name, which never changes.
        label: What people see.
        kind: HubSpot's type: string, number, datetime, bool, enumeration.
        options: Value -> label of an enumeration.
        sensitivity: Who may read it: non_sensitive, sensitive, highly_sensitive.
    """

    name: str
    label: str
    kind: str = "string"
    options: dict[str, str] | None = None
    sensitivity: str = "non_sensitive"

    def described(self, group: str) -> dict[str, Any]:
        """As ``/crm/v3/properties`` answers it."""
        options = [
            {"label": label, "value": value, "displayOrder": place, "hidden": False}
            for place, (value, label) in enumerate((self.options or {}).items())
        ]
        return {
            "name": self.name,
            "label": self.label,
            "type": self.kind,
            "fieldType": _FIELD_TYPES[self.kind],
            "groupName": group,
            "description": "",
            "options": options,
            "hidden": False,
            "calculated": False,
            "hubspotDefined": self.name in _STANDARD,
            "dataSensitivity": self.sensitivity,
        }


_FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "datetime": "date",
    "date": "date",
    "bool": "booleancheckbox",
    "enumeration": "select",
}
_CUSTOM = frozenset(
    {
        "project_interest",
        "roof_age_years",
        "homeowner",
        "financing_requested",
        "genius_id",
        "marketsharp_id",
        "ap_leadid",
        "trustedform_cert_url",
    }
)
LEAD_STATUSES = {
    "NEW": "New",
    "OPEN": "Open",
    "IN_PROGRESS": "In progress",
    "OPEN_DEAL": "Open deal",
    "UNQUALIFIED": "Unqualified",
    "ATTEMPTED_TO_CONTACT": "Attempted to contact",
    "CONNECTED": "Connected",
    "BAD_TIMING": "Bad timing",
}
DEAL_STAGES = {
    "appointmentscheduled": "Appointment scheduled",
    "qualifiedtobuy": "Qualified to buy",
    "presentationscheduled": "Presentation scheduled",
    "decisionmakerboughtin": "Decision maker bought in",
    "contractsent": "Contract sent",
    "closedwon": "Closed won",
    "closedlost": "Closed lost",
}
#: Pipeline of deals -> its label.
PIPELINES = {"default": "Sales pipeline", "renovation": "Renovation pipeline"}
#: Id of the first owner, and how many there are.
FIRST_OWNER, OWNERS = 51_000_995, 12
INDUSTRIES = {
    "CONSTRUCTION": "Construction",
    "REAL_ESTATE": "Real estate",
    "HOSPITALITY": "Hospitality",
    "RETAIL": "Retail",
}
_COMMON = (
    Property("hs_merged_object_ids", "Merged record IDs"),
    Property("createdate", "Create date", "datetime"),
    Property("hs_lastmodifieddate", "Last modified date", "datetime"),
    Property("hs_object_id", "Record ID", "number"),
)
_PLACE = (
    Property("phone", "Phone number"),
    Property("address", "Street address"),
    Property("city", "City"),
    Property("state", "State/Region"),
    Property("zip", "Postal code"),
)
_ALL: dict[str, tuple[Property, ...]] = {
    "contacts": (
        Property("firstname", "First name"),
        Property("lastname", "Last name"),
        Property("email", "Email"),
        *_PLACE,
        Property("hs_lead_status", "Lead status", "enumeration", LEAD_STATUSES),
        Property("lastmodifieddate", "Last modified date", "datetime"),
        Property("hs_calculated_merged_vids", "Merged contact IDs"),
        Property("project_interest", "Project interest", "enumeration"),
        Property("roof_age_years", "Age of the roof", "number"),
        Property("homeowner", "Owns the home", "bool"),
        Property("genius_id", "Genius ID"),
        Property("marketsharp_id", "MarketSharp ID"),
        Property("ap_leadid", "ActiveProspect lead ID"),
        Property("trustedform_cert_url", "TrustedForm certificate URL"),
        *_COMMON,
    ),
    "deals": (
        Property("dealname", "Deal name"),
        Property("amount", "Amount", "number"),
        Property("dealstage", "Deal stage", "enumeration", DEAL_STAGES),
        Property("pipeline", "Pipeline", "enumeration", PIPELINES),
        Property("hubspot_owner_id", "Deal owner", "enumeration"),
        Property("deal_currency_code", "Currency", "enumeration"),
        Property("hs_amount_in_home_currency", "Amount in home currency", "number"),
        Property("closedate", "Close date", "datetime"),
        Property("description", "Deal description"),
        Property("financing_requested", "Financing requested", "bool"),
        *_COMMON,
    ),
    "companies": (
        Property("name", "Company name"),
        Property("domain", "Company domain name"),
        *_PLACE,
        Property("industry", "Industry", "enumeration", INDUSTRIES),
        *_COMMON,
    ),
}
#: Object type -> name -> property.
PROPERTIES: dict[str, dict[str, Property]] = {
    entity: {p.name: p for p in properties} for entity, properties in _ALL.items()
}
_STANDARD = frozenset(p.name for of in _ALL.values() for p in of) - _CUSTOM
#: Object type -> its name in the singular.
SINGULAR = {"contacts": "contact", "deals": "deal", "companies": "company"}
#: Object type -> the property that says when a record was last changed.
MODIFIED = {
    "contacts": "lastmodifieddate",
    "deals": "hs_lastmodifieddate",
    "companies": "hs_lastmodifieddate",
}
#: Object type -> what comes when no properties are asked for.
DEFAULT: dict[str, tuple[str, ...]] = {
    "contacts": (
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate",
        "lastname",
    ),
    "deals": (
        "amount", "closedate", "createdate", "dealname", "dealstage",
        "hs_lastmodifieddate", "hs_object_id", "pipeline",
    ),
    "companies": (
        "createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name",
    ),
}  # fmt: skip


def shown_properties(
    entity: str, asked: list[str] | None, known: Container[str]
) -> tuple[str, ...]:
    """Names that an answer shows, in its order; unknown ones are left out.

    Args:
        entity: Object type.
        asked: Names as asked; None or empty for HubSpot's default.
        known: Properties that there are, and that may be read.
    """
    if not asked:
        return DEFAULT[entity]
    always = ("createdate", "hs_object_id", MODIFIED[entity])
    return tuple(sorted({name for name in asked if name in known}.union(always)))
