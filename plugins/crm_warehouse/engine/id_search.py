"""Finding ids in bytes that nobody can read as what they should be."""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote_plus

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_BLANKS = dict.fromkeys("bfnrt", "\n")
_CHARSETS = ("utf-8", "latin-1")
#: Only where every other byte may be NUL.
_WIDE_CHARSETS = ("utf-16", "utf-16-be")


class IdSearch:
    """Looks for ids, however JSON, a form or XML may write them.

    An id inside a longer one is another: letters, digits, ``_`` and ``-`` make words.

    Args:
        ids: What to look for.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        either = "|".join(map(re.escape, sorted(ids)))
        self._pattern = re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")
        self._is_empty = not either

    def finds_in(self, body: bytes) -> bool:
        """Whether one of them stands there."""
        return not self._is_empty and any(map(self._pattern.search, _readings(body)))


def _readings(body: bytes) -> Iterator[str]:
    """The body in every way in which it may write an id."""
    wide = _WIDE_CHARSETS if b"\0" in body else ()
    for charset in (*_CHARSETS, *wide):
        text = body.decode(charset, "replace")
        yield text
        if "\\" in text:
            plain = _ESCAPE.sub(_character, text)
            yield plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "&" in text:
            yield unescape(text)
        if "%" in text or "+" in text:
            yield unquote_plus(text)
            yield unquote_plus(text, "latin-1")


def _character(found: re.Match[str]) -> str:
    number, letter = found.groups()
    return chr(int(number, 16)) if number else _BLANKS.get(letter, letter)
