"""The words a source file is written in: names, durations, crons, addresses, paths."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError

from crm_warehouse.connections import base_url_problem
from crm_warehouse.source_files import paths
from crm_warehouse.source_files.crons import comes_true
from crm_warehouse.source_files.fields import Text

#: Names become parts of DAG ids (joined by ``__``), tables, pools and variables.
NAME = r"(?=.{1,41}$)[a-z][a-z0-9]*(_[a-z0-9]+)*"
_NAME_HINT = (
    "is no name: use small letters, digits and single underscores between them, "
    "beginning with a letter, at most 41 characters"
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SEGMENT = r"/[A-Za-z0-9_][A-Za-z0-9_.~-]*"


def name(description: str, **options: Any) -> Text:
    """A name of ours, such as a source's or an entity's."""
    return Text(description, pattern=NAME, hint=_NAME_HINT, **options)


def words(description: str, **options: Any) -> Text:
    """Any text for people."""
    return Text(description, **options)


def seconds(description: str, *, zero: bool = False, **options: Any) -> Text:
    """A duration such as ``30s``, loaded as seconds."""

    def convert(text: str) -> float:
        number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
        value = round(float(number) * _UNITS[unit], 3)
        if not value and not zero:
            raise ValidationError("must be longer than nothing")
        return value

    return Text(
        description,
        pattern=r"[0-9]+(\.[0-9]+)?(ms|s|m|h|d)",
        hint="is no duration; write e.g. 500ms, 30s, 15m, 1h or 2d",
        convert=convert,
        **options,
    )


def span(description: str, **options: Any) -> Text:
    """A duration such as ``1m``, perhaps ``0s``, loaded as timedelta."""
    field = seconds(description, zero=True, **options)
    convert = field.convert
    field.convert = lambda text: timedelta(seconds=convert(text))
    return field


def record_path(description: str, **options: Any) -> Text:
    """A path into a record, loaded as its steps."""
    return Text(
        description,
        pattern=paths.PATTERN,
        hint="is no path; write e.g. email, properties.email or contacts[0].id",
        convert=paths.parse_path,
        **options,
    )


def endpoint(description: str, **options: Any) -> Text:
    """A path under the base URL."""
    return Text(
        description,
        pattern=f"({_SEGMENT})+",
        hint="is no path under the base URL; write e.g. /contacts, without query",
        **options,
    )


def record_endpoint(description: str, **options: Any) -> Text:
    """A path under the base URL with one ``{id}``."""
    return Text(
        description,
        pattern=rf"({_SEGMENT})*/\{{id\}}({_SEGMENT})*",
        hint="is no path of one record; write e.g. /contacts/{id}",
        **options,
    )


def time_zone(description: str, **options: Any) -> Text:
    """A name of the IANA time zone database."""

    def convert(text: str) -> str:
        try:
            ZoneInfo(text)
        except (ValueError, ZoneInfoNotFoundError):
            raise ValidationError(f"{text!r} is no time zone that is known") from None
        return text

    return Text(
        description,
        pattern=r"[A-Za-z][A-Za-z0-9+_/-]{0,60}",
        hint="is no time zone; write e.g. America/New_York",
        convert=convert,
        **options,
    )


def address(description: str, **options: Any) -> Text:
    """A base URL that credentials may be sent to."""

    def convert(text: str) -> str:
        problem = base_url_problem(text)
        if problem:
            raise ValidationError(problem)
        return text

    return Text(
        description,
        pattern=r".*\S.*",
        convert=convert,
        **options,
    )


def cron(description: str, **options: Any) -> Text:
    """Five cron fields, which the scheduler understands and which do come true."""

    def convert(text: str) -> str:
        if not comes_true(text):
            raise ValidationError(
                f"{text!r} is no schedule that ever comes; check each field's range"
            )
        return text

    return Text(
        description,
        # Digits only: R would draw another minute each time the file is read.
        pattern=r"[0-9*/,-]+( [0-9*/,-]+){4}",
        hint='is no cron schedule of five numeric fields; write e.g. "*/15 * * * *"',
        convert=convert,
        **options,
    )
