"""Opaque cursors: where a list goes on, readable by nobody but the list itself."""

import base64
import binascii
import itertools

from include.sandbox.hubspot.problems import refused

_SERIAL = itertools.count(1)


def cursor(*scope: object, start: int) -> str:
    """Text that leads back to ``start`` in the list that ``scope`` names.

    No two are equal: a list may stand still for a page and still go on.
    """
    parts = (*scope, start, next(_SERIAL))
    return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode()


def start_of(text: str | None, *scope: object) -> int:
    """Where the list goes on; 0 without a cursor.

    Raises:
        HubSpotError: The cursor is none of this list.
    """
    if text is None:
        return 0
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise refused("after is no cursor of this list") from None
    *found, start, _serial = raw.split("|") if raw.count("|") >= 2 else ("", "", "")
    if found != [str(part) for part in scope] or not start.isdecimal():
        raise refused("after is no cursor of this list")
    return int(start)
