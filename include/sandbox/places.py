"""Places in JSON, written like ``email_addresses[0].email``."""

import re
from typing import Any

_STEP = re.compile(r"\[(?P<position>[0-9]+)\]|(?P<key>[^.\[\]]+)")


def steps(place: str) -> list[str | int]:
    """Keys and positions of a place."""
    return [
        match["key"] if match["position"] is None else int(match["position"])
        for match in _STEP.finditer(place)
    ]


def look(value: Any, place: str) -> Any:
    """What stands there, or None."""
    for step in steps(place):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def put(value: Any, place: str, new: Any) -> None:
    """Set what stands there; objects on the way are made, lists must be there."""
    *way, last = steps(place)
    for step in way:
        is_object = isinstance(value, dict)
        value = value.setdefault(step, {}) if is_object else value[step]
    value[last] = new
