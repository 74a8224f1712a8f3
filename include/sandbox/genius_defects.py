"""How Genius records go bad."""

from collections.abc import Callable
from random import Random

from include.sandbox.records import Defect, Fields

Spoil = Callable[[Fields, Random], None]

_HUGE = 1_000_000
#: More would make a large sandbox heavy without testing anything new.
_HUGE_RECORDS = 20
_BAD_EMAILS = ("not-an-email", "jane@", "jane@@example.com", "j doe@example.com")
_BAD_PHONES = ("12345", "n/a", "+1000000000", "call after 5 pm")
_BAD_TIMES = ("TBD", "2025-13-45T00:00:00Z", "0000-00-00", "next Tuesday")


def _one_of(name: str, *values: str) -> Spoil:
    def spoil(fields: Fields, rng: Random) -> None:
        fields[name] = rng.choice(values)

    return spoil


def _inside(name: str, text: str) -> Spoil:
    def spoil(fields: Fields, rng: Random) -> None:
        old = fields.get(name) or "text"
        at = rng.randrange(len(old) + 1)
        fields[name] = old[:at] + text + old[at:]

    return spoil


def _no_id(fields: Fields, rng: Random) -> None:
    fields["id"] = rng.choice((None, ""))
    if rng.random() < 0.5:
        del fields["id"]


def _huge(name: str) -> Spoil:
    def spoil(fields: Fields, rng: Random) -> None:
        sentence = f"{fields.get(name) or 'text'} {rng.randrange(10**6)}; "
        fields[name] = (sentence * (_HUGE // len(sentence) + 1))[:_HUGE]

    return spoil


def _strange_fields(fields: Fields, rng: Random) -> None:
    fields["custom_roof_pitch"] = f"{rng.randrange(2, 13)}/12"
    fields["custom_nested"] = {"rooms": [rng.randrange(9), None, 2.5], "ok": True}
    fields["Ünusual key"] = "naïve ☂"


def _orphan(fields: Fields, rng: Random) -> None:
    fields["prospect_id"] = 9_000_000 + rng.randrange(1_000_000)


def common_defects(text: str) -> dict[str, Defect]:
    """Defects of every entity; ``text`` names a mapped text field."""
    return {
        "missing_id": Defect(_no_id, reason="missing_id"),
        "bad_created_date": Defect(
            _one_of("created_date", *_BAD_TIMES),
            nulls=("source_created_at",),
            warns=("source_created_at",),
        ),
        "nul": Defect(_inside(text, "\x00")),
        "lone_surrogate": Defect(_inside(text, "\ud83d")),
        "unknown_fields": Defect(_strange_fields),
    }


def reachable_defects() -> dict[str, Defect]:
    """Defects of entities with e-mail and phone."""
    return {
        "bad_email": Defect(_one_of("email", *_BAD_EMAILS), warns=("email",)),
        "bad_phone": Defect(_one_of("phone", *_BAD_PHONES), warns=("phone",)),
    }


PROSPECT_DEFECTS = {
    **common_defects("last_name"),
    **reachable_defects(),
    "empty_name": Defect(_one_of("first_name", "")),
    "huge_text": Defect(_huge("address"), limit=_HUGE_RECORDS),
}
APPOINTMENT_DEFECTS = {
    **common_defects("notes"),
    "bad_scheduled_date": Defect(
        _one_of("scheduled_date", *_BAD_TIMES),
        reason="invalid_timestamp",
        field="scheduled_date",
    ),
    "dangling_parent": Defect(_orphan),
    "huge_text": Defect(_huge("notes"), limit=_HUGE_RECORDS),
}
USER_DEFECTS = {**common_defects("name"), **reachable_defects()}
NAMED_DEFECTS = {**common_defects("name"), "empty_name": Defect(_one_of("name", ""))}
