"""How MarketSharp records go bad. XML carries neither NUL nor lone surrogates."""

from random import Random

from include.sandbox.defects import (
    BAD_AMOUNTS,
    BAD_EMAILS,
    BAD_PHONES,
    BAD_TIMES,
    emptied,
    huge_text,
    one_of,
    suspicious,
    unusable,
)
from include.sandbox.records import Defect, Fields


def _strange_elements(fields: Fields, rng: Random) -> None:
    fields["RoofPitch"] = f"{rng.randrange(2, 13)}/12"
    fields["Tag"] = ["hail", f"crew {rng.randrange(9)}"]
    fields["Extras"] = {"Ünusual key": "naïve ☂", "Q&A": "<none>", "Empty": ""}


def _orphan(fields: Fields, rng: Random) -> None:
    fields["ContactID"] = str(9_000_000 + rng.randrange(1_000_000))


_COMMON = {
    "missing_id": Defect(emptied("ID", ""), reason="missing_id"),
    "bad_created_date": unusable("CreatedDate", "source_created_at", *BAD_TIMES),
    "unknown_fields": Defect(_strange_elements),
}
_CHILD = {
    **_COMMON,
    "dangling_parent": Defect(_orphan),
    "huge_text": huge_text("Notes"),
}

CONTACT_DEFECTS = {
    **_COMMON,
    "bad_email": suspicious("Email", "email", *BAD_EMAILS),
    "bad_phone": suspicious("Phone", "phone", *BAD_PHONES),
    "empty_name": Defect(one_of("FirstName", "")),
    "huge_text": huge_text("Address"),
}
_SOLD = {**_CHILD, "bad_amount": unusable("Value", "value", *BAD_AMOUNTS)}
LEAD_DEFECTS = {
    **_SOLD,
    "missing_parent": suspicious("ContactID", "contact_source_id", None),
}
JOB_DEFECTS = {**_SOLD, "empty_name": Defect(one_of("Name", ""))}
ACTIVITY_DEFECTS = _CHILD
