"""How Genius records go bad."""

from random import Random

from include.sandbox.defects import (
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
    fields["custom_roof_pitch"] = f"{rng.randrange(2, 13)}/12"
    fields["custom_nested"] = {"rooms": [rng.randrange(9), None, 2.5], "ok": True}
    fields["Ünusual key"] = "naïve ☂"


def _orphan(fields: Fields, rng: Random) -> None:
    fields["prospect_id"] = 9_000_000 + rng.randrange(1_000_000)


def common_defects(text: str) -> dict[str, Defect]:
    """Defects of every entity; ``text`` names a mapped text field."""
    return {
        "missing_id": Defect(emptied("id", None, ""), reason="missing_id"),
        "bad_created_date": unusable("created_date", "source_created_at", *BAD_TIMES),
        "nul": Defect(inside(text, "\x00")),
        "lone_surrogate": Defect(inside(text, "\ud83d")),
        "unknown_fields": Defect(_strange_fields),
    }


def reachable_defects() -> dict[str, Defect]:
    """Defects of entities with e-mail and phone."""
    return {
        "bad_email": suspicious("email", "email", *BAD_EMAILS),
        "bad_phone": suspicious("phone", "phone", *BAD_PHONES),
    }


PROSPECT_DEFECTS = {
    **common_defects("last_name"),
    **reachable_defects(),
    "empty_name": Defect(one_of("first_name", "")),
    "huge_text": huge_text("address"),
}
APPOINTMENT_DEFECTS = {
    **common_defects("notes"),
    "bad_scheduled_date": Defect(
        one_of("scheduled_date", *BAD_TIMES),
        reason="invalid_timestamp",
        field="scheduled_date",
    ),
    "dangling_parent": Defect(_orphan),
    "huge_text": huge_text("notes"),
}
USER_DEFECTS = {**common_defects("name"), **reachable_defects()}
NAMED_DEFECTS = {**common_defects("name"), "empty_name": Defect(one_of("name", ""))}
