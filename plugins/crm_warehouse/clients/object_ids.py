"""Ids of MongoDB: twelve bytes, of which the first four are the second of their making.

https://www.mongodb.com/docs/manual/reference/bson-types/#objectid

They grow from second to second. Within one they follow the machines that make them, not
the clock; so an id is a place in a list, and no version.
"""

import re
from typing import Any

_OBJECT_ID = re.compile("[0-9a-fA-F]{24}")


def second_of(value: Any) -> int | None:
    """Unix second at which an id was made; None when it is no such id."""
    if not isinstance(value, str) or not _OBJECT_ID.fullmatch(value):
        return None
    return int(value[:8], 16)
