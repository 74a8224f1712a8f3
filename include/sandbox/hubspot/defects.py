"""How HubSpot objects go bad. The times of an object are HubSpot's own, never bad."""

from random import Random

from include.sandbox.defects import (
    BAD_EMAILS,
    BAD_PHONES,
    emptied,
    inside,
    one_of,
    suspicious,
    unusable,
)
from include.sandbox.records import Defect, Fields

_BAD_AMOUNTS = ("N/A", "about five thousand", "3092727991;3881228353")
#: Most that a property holds is 65,536 characters.
_HUGE = "All of it again. " * 3_800
_HUGE_RECORDS = 20


def _strange_fields(fields: Fields, rng: Random) -> None:
    fields["objectWriteTraceId"] = f"trace-{rng.randrange(10**6)}"
    fields["Ünusual key"] = {"naïve": [None, 2.5, "☂"]}


def _common(name: str) -> dict[str, Defect]:
    """Defects of every type; ``name`` is a mapped text property."""
    path = f"properties.{name}"
    return {
        "missing_id": Defect(emptied("id", None, ""), reason="missing_id"),
        "nul": Defect(inside(path, "\x00")),
        "lone_surrogate": Defect(inside(path, "\ud83d")),
        "unknown_fields": Defect(_strange_fields),
    }


_PHONE = suspicious("properties.phone", "phone", *BAD_PHONES)
CONTACT_DEFECTS = {
    **_common("lastname"),
    "bad_email": suspicious("properties.email", "email", *BAD_EMAILS),
    "bad_phone": _PHONE,
    "empty_name": Defect(one_of("properties.firstname", "")),
    "huge_text": Defect(inside("properties.address", _HUGE), limit=_HUGE_RECORDS),
}
DEAL_DEFECTS = {
    **_common("dealname"),
    "bad_amount": unusable("properties.amount", "value", *_BAD_AMOUNTS),
    "empty_name": Defect(one_of("properties.dealname", "")),
    "huge_text": Defect(inside("properties.description", _HUGE), limit=_HUGE_RECORDS),
}
COMPANY_DEFECTS = {
    **_common("name"),
    "bad_phone": _PHONE,
    "empty_name": Defect(one_of("properties.name", "")),
}
