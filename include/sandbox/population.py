"""The invented people, shared by all systems: who they are, and how each writes them.

Person *n* of a seed is always the same person, so that several systems hold the same
people, each with its own spellings, gaps and mistakes. Streets, mail domains and
telephone exchange 555 are nobody's.
"""

import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from include.sandbox import words
from include.sandbox.words import Place

#: People per possible household; neighbours in number may share a home.
_HOUSEHOLD = 3
_FIRST_NAMES = tuple(words.FIRST_NAMES)
_STREET_KINDS = tuple(words.STREET_KINDS)


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as a system writes them; None is what the system does not know.

    Attributes:
        number: Who it is, whatever the spelling.
        phone: Ten digits, without country code.
        house: House number.
        street: Street with its kind, e.g. ``Larkmere Road``.
    """

    number: int
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    house: int
    street: str
    place: Place
    zip_code: str

    @property
    def address(self) -> str:
        """House number and street in one line."""
        return f"{self.house} {self.street}"


@dataclass(frozen=True, slots=True)
class _Home:
    shared: bool
    last_name: str
    phone: str
    house: int
    street: str
    place: Place
    zip_code: str


def phone_digits(rng: Random, place: Place) -> str:
    """Ten digits of an invented, dialable telephone number."""
    return f"{place.area_code}555{rng.randrange(10_000):04d}"


@lru_cache(maxsize=4096)
def _mail_part(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain if c.isascii() and c.isalpha()).lower()


def _surname(rng: Random) -> str:
    if rng.random() < 0.02:
        return rng.choice(words.RARE_SURNAMES)
    return rng.choice(words.SURNAME_HEADS) + rng.choice(words.SURNAME_TAILS)


def _make_home(rng: Random) -> _Home:
    place = rng.choice(words.PLACES)
    return _Home(
        shared=rng.random() < 0.3,
        last_name=_surname(rng),
        phone=phone_digits(rng, place),
        house=rng.randrange(1, 9_900),
        street=f"{rng.choice(words.STREETS)} {rng.choice(_STREET_KINDS)}",
        place=place,
        zip_code=f"{place.zip_prefix}{rng.randrange(1, 100):02d}",
    )


@lru_cache(maxsize=64)
def _household(seed: int, number: int) -> _Home:
    return _make_home(Random(f"{seed}/household/{number}"))


def person(seed: int, number: int) -> Person:
    """Person ``number`` of the population ``seed``, spelled correctly."""
    rng = Random(f"{seed}/person/{number}")
    shared = _household(seed, number // _HOUSEHOLD)
    home = shared if shared.shared else _make_home(rng)
    first_name = rng.choice(_FIRST_NAMES)
    local = f"{_mail_part(first_name)}.{_mail_part(home.last_name)}"
    own_phone = rng.random() < 0.3
    return Person(
        number=number,
        first_name=first_name,
        last_name=home.last_name,
        email=f"{local}{number}@{rng.choice(words.MAIL_DOMAINS)}",
        phone=phone_digits(rng, home.place) if own_phone else home.phone,
        house=home.house,
        street=home.street,
        place=home.place,
        zip_code=home.zip_code,
    )


def spelled(somebody: Person, rng: Random) -> Person:
    """The same person with the deviations one data entry would have.

    Args:
        somebody: Who is entered.
        rng: Decides the deviations; two systems use two of them.
    """
    changed = somebody
    nicknames = words.FIRST_NAMES[somebody.first_name]
    if nicknames and rng.random() < 0.15:
        changed = replace(changed, first_name=rng.choice(nicknames))
    if rng.random() < 0.04:
        changed = replace(changed, last_name=_typo(changed.last_name, rng))
    if rng.random() < 0.04:
        changed = replace(
            changed,
            first_name=changed.first_name.upper(),
            last_name=changed.last_name.upper(),
        )
    if rng.random() < 0.25:
        name, kind = somebody.street.rsplit(" ", 1)
        short = rng.choice(words.STREET_KINDS[kind])
        changed = replace(changed, street=f"{name} {short}")
    return _with_gaps(changed, rng)


def _with_gaps(somebody: Person, rng: Random) -> Person:
    email, phone = somebody.email, somebody.phone
    draw = rng.random()
    if draw < 0.10:
        email = None
    elif draw < 0.16 and email is not None:
        email = email.upper() if draw < 0.13 else f"home{somebody.number}@example.org"
    if rng.random() < 0.06:
        phone = None
    return replace(somebody, email=email, phone=phone)


def _typo(word: str, rng: Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return rng.choice((swapped, word[:at] + word[at + 1 :], word[:at] + word[at:]))
