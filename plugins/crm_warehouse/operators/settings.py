"""Run parameters, as templates leave them, become values. Empty means not given."""

from typing import TYPE_CHECKING

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import MODES, Guard, Mode

if TYPE_CHECKING:
    from datetime import datetime


def parse_mode(text: str) -> Mode:
    """Mode by name.

    Raises:
        ConfigurationError: There is no such mode.
    """
    for mode in MODES:
        if text == mode:
            return mode
    raise ConfigurationError(
        f"run parameter mode: '{text}' is not one of {', '.join(MODES)}"
    )


def parse_since(text: str, mode: Mode) -> "datetime | None":
    """Start of the window, UTC, or None; a time without an offset is UTC.

    Args:
        text: ISO 8601 date or time.
        mode: Only an incremental run has a start.

    Raises:
        ConfigurationError: No time, or a time where none belongs.
    """
    if not text:
        return None
    if mode != "incremental":
        raise ConfigurationError(
            f"run parameter since: a {mode} run reads everything; "
            "leave since empty or choose mode incremental"
        )
    # Imported here: this module is imported whenever a DAG file is parsed.
    from crm_warehouse.engine import job

    try:
        return job.parse_since(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"run parameter since: {error}") from None


def parse_batch_size(text: str, maximum: int) -> int | None:
    """Records asked for per request, or None.

    Args:
        text: A whole number.
        maximum: Most records the API allows per request.

    Raises:
        ConfigurationError: Not a number from 1 to ``maximum``.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= maximum:
        raise ConfigurationError(
            f"run parameter batch_size: '{text}' is not a whole number "
            f"from 1 to {maximum}, the most this API allows per request"
        )
    return int(text)


def parse_override(text: str) -> frozenset[Guard]:
    """Guards to ignore.

    Args:
        text: Their names, with commas between.

    Raises:
        ConfigurationError: There is no such guard.
    """
    # Imported here: this module is imported whenever a DAG file is parsed.
    from crm_warehouse.engine import job

    try:
        return job.parse_override(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"run parameter override: {error}") from None
