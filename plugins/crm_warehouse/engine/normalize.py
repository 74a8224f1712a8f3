"""Comparable forms of e-mail addresses and phone numbers; None when not valid.

Runs for every record, so the numbering plan of the home region is compiled to one
regular expression from the data of ``phonenumbers``; its full parser (some 70 µs a
number) only sees the rest.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache

import phonenumbers

from crm_warehouse.errors import ConfigurationError

_EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_LONGEST_EMAIL = 254  # RFC 5321: a path has 256 octets, two of them are < and >
_LONGEST_PHONE = 50
_PUNCTUATION = str.maketrans("", "", " -.()/\u00a0")


def email(text: str) -> str | None:
    """Address trimmed and in lower case, or None when it is not a valid one.

    The rule is that of RFC 5321 without quoted local parts and address literals,
    which no CRM user means; ASCII domains with at least one dot.
    """
    address = text.strip()
    if not address.isascii():  # lower() makes an ASCII k of the Kelvin sign
        return None
    address = address.lower()
    if len(address) > _LONGEST_EMAIL or _EMAIL.fullmatch(address) is None:
        return None
    return address if address.find("@") <= 64 else None


@cache
def phone_normalizer(region: str) -> Callable[[str], str | None]:
    """Function from a number as sent to its E.164 form, or None when not valid.

    Args:
        region: Two-letter country (ISO 3166) of numbers without ``+``.
    """
    code = phonenumbers.country_code_for_region(region)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        raise ConfigurationError(f"region {region!r} is no country of ISO 3166")
    patterns = [
        kind.national_number_pattern
        for kind in (metadata.fixed_line, metadata.mobile, metadata.toll_free)
        if kind is not None and kind.national_number_pattern
    ]
    # Without +, a country's code may as well begin a number of its own: a case for the
    # parser. Only North America's plan has no number that begins with its 1.
    prefix = r"(?:\+?1)?" if code == 1 else rf"(?:\+{code}|(?!{code}))"
    home = re.compile(rf"{prefix}((?:{'|'.join(patterns)}))", re.ASCII)

    def normalize(text: str) -> str | None:
        digits = text.translate(_PUNCTUATION)
        match = home.fullmatch(digits)
        if match is not None:
            return f"+{code}{match[1]}"
        return _parse(text.strip(), region)

    return normalize


@lru_cache(maxsize=4096)
def _parse(text: str, region: str) -> str | None:
    if len(text) > _LONGEST_PHONE:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
