"""Regular expressions that people write into rules, without the ones that never end.

Python's expressions try one way after the other. How many there are for the longest
value can be told from the expression; one that could take long is refused.
"""

import re
import warnings
from collections.abc import Callable
from importlib import import_module
from itertools import zip_longest
from typing import Any

#: Longest expression, and longest value that one is tried on.
LONGEST_PATTERN, LONGEST_VALUE = 200, 255
#: What two open repetitions such as ``[a-z]+`` make: mostly below a millisecond, 13 at
#: worst. A replay maps 4,000 records while PostgreSQL waits, for a minute at most.
_MOST_WAYS = (LONGEST_VALUE + 1) ** 2
# The only readers of Python's own syntax; they have no public names since 3.11.
_PARSER: Any = import_module("re._parser")
_COMPILER: Any = import_module("re._compiler")
#: Operations that match one character, and those that repeat and may end anywhere.
_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})


def compile_pattern(pattern: Any) -> Callable[[str], bool]:
    """Function that says whether a whole text matches.

    A text longer than ``LONGEST_VALUE`` does not.

    Raises:
        TypeError: It is no text of 1 to ``LONGEST_PATTERN`` characters.
        ValueError: Says what is wrong with it.
    """
    if type(pattern) is not str or not 1 <= len(pattern) <= LONGEST_PATTERN:
        raise TypeError
    try:
        with warnings.catch_warnings(action="error"):
            match = re.compile(pattern).fullmatch
            ways = _ways(_PARSER.parse(pattern))
    except (re.error, FutureWarning) as error:
        raise ValueError(f"config.pattern: {error}") from None
    except (OverflowError, RecursionError):
        raise ValueError("config.pattern: too large") from None
    if ways > _MOST_WAYS:
        raise ValueError(
            "config.pattern could take for ever: no repetition inside a repetition, no"
            " |-choice inside one, at most two open ones (*, +) besides those that end"
            " before a character they do not match, no back-reference"
        )
    return lambda text: len(text) <= LONGEST_VALUE and match(text) is not None


def _ways(items: Any) -> int:
    """In how many ways the items may be tried on a text, at most; capped."""
    ways = 1
    for (operation, argument), following in zip_longest(items, items[1:]):
        name = str(operation)
        if name not in _REPEATS or not _has_one_end(argument[-1], following):
            ways = min(ways * _WAYS.get(name, _one)(argument), _MOST_WAYS + 1)
    return ways


def _has_one_end(repeated: Any, following: Any) -> bool:
    """Whether it is one character, repeated up to a literal that it does not match.

    ``[^@]+@`` has to end at the first ``@``: there is one way only.
    """
    if len(repeated) != 1 or str(repeated[0][0]) not in _CHARACTERS:
        return False
    if following is None or str(following[0]) != "LITERAL":
        return False
    literal = chr(following[1])
    return not any(
        _COMPILER.compile(repeated, flags).fullmatch(literal)
        for flags in (0, re.IGNORECASE)
    )


def _one(_argument: Any) -> int:
    return 1


def _endless(_argument: Any) -> int:
    return _MOST_WAYS + 1


def _of_repeat(argument: Any) -> int:
    least, most, inner = argument
    times = min(int(most), LONGEST_VALUE)
    spread = times - min(int(least), times) + 1
    ways: int = spread * _ways(inner) ** times
    return min(ways, _MOST_WAYS + 1)


def _of_branch(argument: Any) -> int:
    return sum(_ways(branch) for branch in argument[1])


def _of_last(argument: Any) -> int:
    return _ways(argument[-1])


#: Operation of a parsed expression -> its ways.
_WAYS: dict[str, Callable[[Any], int]] = {
    "MAX_REPEAT": _of_repeat,
    "MIN_REPEAT": _of_repeat,
    "POSSESSIVE_REPEAT": _of_repeat,
    "BRANCH": _of_branch,
    "SUBPATTERN": _of_last,
    "ASSERT": _of_last,
    "ASSERT_NOT": _of_last,
    "ATOMIC_GROUP": _ways,
    "GROUPREF": _endless,
    "GROUPREF_EXISTS": _endless,
}
