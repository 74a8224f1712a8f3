"""Ways in which records of several systems go bad. Fields are named by dotted paths."""

from collections.abc import Callable
from random import Random

from include.sandbox.records import Defect, Fields

Spoil = Callable[[Fields, Random], None]

BAD_EMAILS = ("not-an-email", "jane@", "jane@@example.com", "j doe@example.com")
BAD_PHONES = ("12345", "n/a", "+1000000000", "call after 5 pm")
BAD_TIMES = ("TBD", "2025-13-45T00:00:00Z", "0000-00-00", "next Tuesday")
BAD_AMOUNTS = ("TBD", "n/a", "NaN", "Infinity", "about 5k")
_HUGE = 1_000_000
#: More would make a large sandbox heavy without testing anything new.
_HUGE_RECORDS = 20


def one_of(path: str, *values: object) -> Spoil:
    """Puts one of the values into a field."""

    def spoil(fields: Fields, rng: Random) -> None:
        holder, name = _place(fields, path)
        holder[name] = rng.choice(values)

    return spoil


def inside(path: str, text: str) -> Spoil:
    """Puts a text somewhere into the text of a field."""

    def spoil(fields: Fields, rng: Random) -> None:
        holder, name = _place(fields, path)
        old = holder.get(name) or "text"
        at = rng.randrange(len(old) + 1)
        holder[name] = old[:at] + text + old[at:]

    return spoil


def emptied(name: str, *values: object) -> Spoil:
    """Takes a field away, or leaves one of the values in it."""

    def spoil(fields: Fields, rng: Random) -> None:
        fields[name] = rng.choice(values)
        if rng.random() < 0.5:
            del fields[name]

    return spoil


def huge_text(path: str) -> Defect:
    """A field of a million characters."""

    def spoil(fields: Fields, rng: Random) -> None:
        holder, name = _place(fields, path)
        sentence = f"{holder.get(name) or 'text'} {rng.randrange(10**6)}; "
        holder[name] = (sentence * (_HUGE // len(sentence) + 1))[:_HUGE]

    return Defect(spoil, limit=_HUGE_RECORDS)


def unusable(path: str, column: str, *values: object) -> Defect:
    """A value that its column cannot hold: NULL there, with a warning."""
    return Defect(one_of(path, *values), nulls=(column,), warns=(column,))


def suspicious(path: str, column: str, *values: object) -> Defect:
    """A value that is kept as sent, with a warning."""
    return Defect(one_of(path, *values), warns=(column,))


def _place(fields: Fields, path: str) -> tuple[Fields, str]:
    """The object that holds the field, and the field's name in it."""
    *steps, name = path.split(".")
    for step in steps:
        fields = fields[step]
    return fields, name
