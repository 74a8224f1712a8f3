"""YAML text into plain values, with the place of each one for error messages.

YAML 1.1 has traps that bite in configuration: ``no`` is false, ``1:30`` is 90, ``010``
is 8, a date becomes an object, and a key written twice silently wins once. Here only
what looks like a number, ``true``, ``false`` and ``null`` is anything but text, a
repeated key is a problem, and tags that build Python objects do not exist.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

#: Keys and positions from the top of the document to a value.
Place = tuple[str | int, ...]
_Pairs = dict[str, tuple[yaml.Node, yaml.Node]]

_TAG = "tag:yaml.org,2002:"
_NOT_TEXT: tuple[tuple[str, str, str], ...] = (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("merge", r"<<", "<"),
)


# The parser written in C is seven times faster, and DAG files are parsed often.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """SafeLoader that gives a meaning to few words only."""

    # A dictionary of its own: PyYAML copies an inherited one, traps included.
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for _name, _pattern, _first in _NOT_TEXT:
    _starts = [*_first, ""] if _name == "null" else [*_first]
    _Loader.add_implicit_resolver(
        _TAG + _name, re.compile(f"^(?:{_pattern})$"), _starts
    )


@dataclass(slots=True)
class Document:
    """A parsed file.

    Attributes:
        data: The top value, made of dict, list, str, int, float, bool and None.
        places: ``(line, column)`` of keys and items, counted from 1.
        problems: ``(place, message)`` of what YAML allows and we do not.
    """

    data: Any = None
    places: dict[Place, tuple[int, int]] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def locate(self, place: Place) -> tuple[int, int]:
        """Line and column of ``place``, or of what encloses it."""
        while place and place not in self.places:
            place = place[:-1]
        return self.places.get(place, (1, 1))


class UnreadableError(Exception):
    """The file is not one YAML document; the text begins with ``:`` and the place."""


def read_document(path: Path) -> Document:
    """Parse a file.

    Raises:
        UnreadableError: It is missing, unreadable, not UTF-8, or not YAML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f": byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from None
    except FileNotFoundError:
        raise UnreadableError(": there is no such file") from None
    except OSError as error:
        raise UnreadableError(f": cannot be read: {error.strerror}") from None
    document = Document()
    try:
        node = yaml.compose(text, Loader=_Loader)
        document.data = _Reader(document).value(node, ()) if node else None
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_syntax(error)) from None
    except yaml.YAMLError:
        raise UnreadableError(": holds a character that YAML forbids") from None
    except RecursionError:
        raise UnreadableError(": is nested too deeply, or contains itself") from None
    return document


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{place}: is not valid YAML: {what}"


class _Reader:
    """Turns nodes into values and remembers places."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def value(self, node: yaml.Node, place: Place) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {
                name: self._marked(key, value, (*place, name))
                for name, (key, value) in self._pairs(node, place).items()
            }
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [
                self._marked(item, item, (*place, index))
                for index, item in enumerate(node.value)
            ]
        return self._refuse_tag(node, place)

    def _marked(self, key: yaml.Node, value: yaml.Node, place: Place) -> Any:
        mark = key.start_mark
        self._document.places[place] = (mark.line + 1, mark.column + 1)
        return self.value(value, place)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind = node.tag.removeprefix(_TAG)
        try:
            match kind:
                case "str":
                    return node.value
                case "int":
                    return int(node.value)
                case "float":
                    return float(node.value)
                case "bool":
                    return {"true": True, "false": False}[node.value]
                case "null":
                    return None
        except (KeyError, ValueError):  # an explicit tag on the wrong text
            pass
        return self._refuse_tag(node, place)

    def _refuse_tag(self, node: yaml.Node, place: Place) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self._problem(place, f"the tag {tag} is not allowed here; remove it")

    def _pairs(self, node: yaml.MappingNode, place: Place | None) -> _Pairs:
        """Keys of a mapping, those taken over by ``<<`` included.

        Args:
            node: The mapping.
            place: Where it is written; None when it is only taken over, so that its
                problems are reported once.
        """
        own: _Pairs = {}
        inherited: _Pairs = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                for name, pair in self._inherited(value, place).items():
                    inherited.setdefault(name, pair)
            elif not isinstance(key, yaml.ScalarNode):
                self._problem(place, "a key must be a word, not a list or mapping")
            elif key.value in own:
                lines = [k.start_mark.line + 1 for k in (own[key.value][0], key)]
                self._problem(
                    None if place is None else (*place, key.value),
                    f"is written twice, in lines {lines[0]} and {lines[1]}",
                )
            else:
                own[key.value] = (key, value)
        return inherited | own

    def _inherited(self, node: yaml.Node, place: Place | None) -> _Pairs:
        parents = node.value if isinstance(node, yaml.SequenceNode) else [node]
        pairs: _Pairs = {}
        for parent in parents:
            if isinstance(parent, yaml.MappingNode):
                pairs = self._pairs(parent, None) | pairs
            else:
                self._problem(place, "'<<' must name a mapping, e.g. '<<: *name'")
        return pairs

    def _problem(self, place: Place | None, message: str) -> None:
        if place is not None:
            self._document.problems.append((place, message))
