"""How ActiveProspect records go bad."""

from random import Random

from include.sandbox.activeprospect.ids import object_id
from include.sandbox.defects import (
    BAD_AMOUNTS,
    BAD_EMAILS,
    BAD_PHONES,
    BAD_TIMES,
    emptied,
    huge_text,
    inside,
    one_of,
    suspicious,
    unusable,
)
from include.sandbox.records import Defect, Fields


def _strange_fields(fields: Fields, rng: Random) -> None:
    fields["vendor_score"] = {"model": "v2", "scores": [rng.randrange(9), None, 2.5]}
    fields["Ünusual key"] = "naïve ☂"


def _orphan(fields: Fields, rng: Random) -> None:
    fields["lead_id"] = object_id(9_000_000 + rng.randrange(1_000_000))


def _common(text: str) -> dict[str, Defect]:
    """Defects of both entities; ``text`` is the path of a mapped text field."""
    return {
        "missing_id": Defect(emptied("id", None, ""), reason="missing_id"),
        "bad_created_date": Defect(
            one_of("created", *BAD_TIMES),
            nulls=("source_created_at", "occurred_at"),
            warns=("source_created_at", "occurred_at"),
        ),
        "nul": Defect(inside(text, "\x00")),
        "lone_surrogate": Defect(inside(text, "\ud83d")),
        "unknown_fields": Defect(_strange_fields),
    }


LEAD_DEFECTS = {
    **_common("lead.last_name"),
    "bad_email": suspicious("lead.email", "email", *BAD_EMAILS),
    "bad_phone": suspicious("lead.phone_1", "phone", *BAD_PHONES),
    "bad_amount": unusable("price", "value", *BAD_AMOUNTS),
    "empty_name": Defect(one_of("lead.first_name", "")),
    "huge_text": huge_text("lead.address_1"),
}
EVENT_DEFECTS = {
    **_common("reason"),
    "dangling_parent": Defect(_orphan),
    "huge_text": huge_text("reason"),
}
