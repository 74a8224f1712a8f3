"""Fields of the YAML schemas: strict about types, and with messages for people.

Each field carries a description in its metadata; :mod:`.editor_schema` turns fields
into JSON Schema, so what the editor underlines and what loading refuses stay one.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from marshmallow import ValidationError, fields, missing

_BLANK = "must not be blank"


def kind_of(value: Any) -> str:
    """What a YAML value is, in words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or what there is to choose from."""
    choices = list(known)
    close = difflib.get_close_matches(word, choices, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(choices)}"


class Described(fields.Field[Any]):
    """A value with a sentence for editors and the reference.

    Args:
        description: What the key means.
        default: Value when the key is absent; without it the key is required.
        attribute: Name of the loaded value, when it differs from the key.
        key: The key, when Python cannot say it.
        nullable: ``null`` is a value of its own, whatever the default.
    """

    def __init__(
        self,
        description: str,
        *,
        default: Any = missing,
        attribute: str | None = None,
        key: str | None = None,
        nullable: bool = False,
    ) -> None:
        super().__init__(
            required=default is missing,
            load_default=default,
            allow_none=nullable or default is None,
            attribute=attribute,
            data_key=key,
            error_messages={"required": "is missing", "null": "must not be empty"},
            metadata={"description": description},
        )


class Text(Described):
    """Text of a certain form.

    Args:
        description: What the key means.
        pattern: Expression that the whole text matches; Python and ECMA read it alike.
        hint: What is wrong when it does not match.
        convert: Makes the value of the text; raises ValidationError.
        **options: As of :class:`Described`.
    """

    def __init__(
        self,
        description: str,
        *,
        pattern: str = r".*\S.*",
        hint: str = _BLANK,
        convert: Callable[[str], Any] = str,
        **options: Any,
    ) -> None:
        super().__init__(description, **options)
        self.pattern = pattern
        self.hint = hint
        self.convert = convert

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str):
            raise ValidationError(self._not_text(value))
        if not re.fullmatch(self.pattern, value):
            raise ValidationError(f"{value!r} {self.hint}")
        return self.convert(value)

    def _not_text(self, value: Any) -> str:
        if not isinstance(value, int | float):
            return f"must be text, not {kind_of(value)}"
        if self.hint is _BLANK or isinstance(value, bool):
            return f"must be text, not {kind_of(value)}; put it in quotes"
        return f"{value} {self.hint}"


class Choice(Described):
    """One of a few words."""

    def __init__(self, description: str, words: Iterable[str], **options: Any) -> None:
        super().__init__(description, **options)
        self.words = tuple(words)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"must be text, not {kind_of(value)}")
        if value not in self.words:
            raise ValidationError(f"unknown word {value!r}{nearest(value, self.words)}")
        return value


class Flag(Described):
    """true or false."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, not {kind_of(value)}")
        return value


class Number(Described):
    """A number between two bounds, inclusive.

    Args:
        description: What the key means.
        minimum: Smallest value.
        maximum: Largest value.
        whole: Whether fractions are refused.
        **options: As of :class:`Described`.
    """

    def __init__(
        self,
        description: str,
        minimum: float,
        maximum: float,
        *,
        whole: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(description, **options)
        self.minimum = minimum
        self.maximum = maximum
        self.whole = whole

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(f"must be a number, not {kind_of(value)}")
        if self.whole and isinstance(value, float):
            raise ValidationError(f"must be a whole number, not {value}")
        if not self.minimum <= value <= self.maximum:
            raise ValidationError(
                f"must be between {self.minimum} and {self.maximum}, not {value}"
            )
        return value
