"""Admin calls that only HubSpot has: bulk edits and other associations."""

from random import Random
from typing import Any

from include.sandbox.clock import Clock, parse_moment
from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.links import Links
from include.sandbox.hubspot.table import HubSpotTable


def stamp(
    table: HubSpotTable, clock: Clock, rng: Random, call: dict[str, Any]
) -> dict[str, Any]:
    """Give ``count`` records one time of change, as a bulk edit does.

    Raises:
        BadRequestError: The call is not ``count`` and perhaps ``at``.
    """
    count = _count(call, "at")
    at = clock.now() if "at" not in call else parse_moment(call["at"])
    if at is None:
        raise BadRequestError("at must be ISO 8601")
    return {"ids": _ids(table.stamp(count, at, rng))}


def relink(
    table: HubSpotTable, links: Links, clock: Clock, rng: Random, call: dict[str, Any]
) -> dict[str, Any]:
    """Give ``count`` records other contacts; ``touch`` lets that count as a change.

    Raises:
        BadRequestError: The call is not ``count`` and perhaps ``touch``.
    """
    records = table.pick(_count(call, "touch"), rng)
    for record in records:
        links.relink(record.key, rng)
        if call.get("touch") is True:
            table.touch(record, clock.now())
    return {"ids": _ids([record.key for record in records])}


def _count(call: dict[str, Any], option: str) -> int:
    count = call.get("count", 1)
    if set(call) - {"count", option} or not isinstance(count, int) or count < 0:
        raise BadRequestError(f"takes count, a whole number, and {option}")
    return count


def _ids(keys: list[int]) -> list[str]:
    return [str(key) for key in keys]
