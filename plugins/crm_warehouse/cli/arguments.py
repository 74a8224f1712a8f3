"""Texts of the command line become values, or a sentence that says what is wrong."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from crm_warehouse.cli.words import hint
from crm_warehouse.engine.job import parse_moment, parse_override, parse_since
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Guard

_LONGEST_SENTENCE = 200


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """Converter that lets only these words pass."""

    def convert(text: str) -> str:
        if text in known:
            return text
        raise ArgumentTypeError(
            f"{text!r} is not one of {', '.join(known)}{hint(text, known)}"
        )

    return convert


def moment(text: str) -> datetime:
    """ISO 8601 date or time as an aware moment; without an offset it is UTC."""
    try:
        return parse_since(text)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from None


def any_moment(text: str) -> datetime:
    """The same, past or to come."""
    try:
        return parse_moment(text)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from None


def guards(text: str) -> frozenset[Guard]:
    """Names of guards, with commas between."""
    try:
        return parse_override(text)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """Whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """Number of seconds from 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds; write e.g. 90")
    return value


def existing_file(text: str) -> Path:
    """Path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {text}")
    return path


def sentence(text: str) -> str:
    """A reason in one line, as it is kept."""
    said = text.strip()
    if not said or len(said) > _LONGEST_SENTENCE or not said.isprintable():
        raise ArgumentTypeError(
            f"write one line of 1 to {_LONGEST_SENTENCE} characters that says why"
        )
    return said
