"""``$filter`` of the OData service: comparisons, ``and``, ``or``, parentheses."""

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any
from uuid import UUID

from include.sandbox.errors import BadRequestError

Row = dict[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[()])|datetime'(?P<time>[0-9T:.Z-]+)'|guid'(?P<uuid>[0-9A-Fa-f-]+)'"
    r"|(?P<number>-?[0-9]+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*))"
)
_COMPARE = {"eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le}


def sort_key(value: Any) -> Any:
    """What a value is ordered by; UUIDs as SQL Server does, which no text shows."""
    if isinstance(value, UUID):
        raw = value.bytes
        return raw[10:], raw[8:10], raw[6:8], raw[4:6], raw[:4]
    return value.removesuffix("Z") if isinstance(value, str) else value


def parse_filter(text: str, known: set[str]) -> Test:
    """The test that a filter stands for.

    Args:
        text: Value of ``$filter``.
        known: Properties that there are.

    Raises:
        BadRequestError: It cannot be read.
    """
    parser = _Parser(text, known)
    test = parser.either()
    if parser.peek() is not None:
        raise BadRequestError("the filter goes on behind its end")
    return test


class _Parser:
    def __init__(self, text: str, known: set[str]) -> None:
        self._known = known
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise BadRequestError(
                    f"the filter cannot be read from {text[at : at + 20]!r}"
                )
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()

    def peek(self) -> str | None:
        return self._tokens[0][1] if self._tokens else None

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise BadRequestError("the filter ends too early")
        return self._tokens.pop(0)

    def either(self) -> Test:
        tests = [self._both()]
        while self.peek() == "or":
            self._take()
            tests.append(self._both())
        return lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self.peek() == "and":
            self._take()
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self.peek() == "(":
            self._take()
            inner = self.either()
            if self._take()[1] != ")":
                raise BadRequestError("a parenthesis of the filter is not closed")
            return inner
        _, name = self._take()
        _, word = self._take()
        if name not in self._known or word not in _COMPARE:
            raise BadRequestError(f"no property {name!r}, or no operator {word!r}")
        compare, literal = _COMPARE[word], self._literal()

        def test(row: Row) -> bool:
            value = row[name]
            if value is None or literal is None:
                same = value is None and literal is None
                return same if word == "eq" else word == "ne" and not same
            return bool(compare(sort_key(value), sort_key(literal)))

        return test

    def _literal(self) -> Any:
        kind, text = self._take()
        try:
            match kind:
                case "time":
                    return text
                case "uuid":
                    return UUID(text)
                case "number":
                    return int(text)
        except ValueError:
            raise BadRequestError(f"{text!r} is no {kind}") from None
        if text in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[text]
        raise BadRequestError(f"{text!r} is no literal")
