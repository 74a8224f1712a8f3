"""Parameters of a query, as the stand-in APIs read them."""

from collections.abc import Mapping

from include.sandbox.clock import parse_moment
from include.sandbox.errors import BadRequestError


def whole_number(
    query: Mapping[str, str], name: str, default: int, most: int | None = None
) -> int:
    """Whole number from 1 to ``most``.

    Raises:
        BadRequestError: It is none; the message names the parameter.
    """
    text = query.get(name, str(default))
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if number < 1 or (most is not None and number > most):
        allowed = f"from 1 to {most}" if most else "of at least 1"
        raise BadRequestError(f"{name} must be a whole number {allowed}")
    return number


def modified_since(query: Mapping[str, str]) -> float | None:
    """Unix seconds of ``modified_since``, or None when it is not asked for.

    Raises:
        BadRequestError: It is no ISO 8601 text.
    """
    text = query.get("modified_since")
    if text is None:
        return None
    moment = parse_moment(text)
    if moment is None:
        raise BadRequestError("modified_since must be ISO 8601")
    return moment.timestamp()
