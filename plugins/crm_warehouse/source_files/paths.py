"""Paths into a record, as YAML writes them: ``associations.contacts.results[0].id``."""

import re

from crm_warehouse.spec import Path, Step

_KEY = r"[^\s.\[\]$][^.\[\]\r\n]*"
_STEPS = rf"{_KEY}(?:\[[0-9]+\])*"

#: What a path looks like; also goes into the editors' schema, so it is ECMA too.
PATTERN = rf"{_STEPS}(?:\.{_STEPS})*"

#: Stands for every top-level field that no other line of a mapping reads.
REST = "$rest"

_STEP = re.compile(r"\[(?P<position>[0-9]+)\]|(?P<key>[^.\[\]]+)")


def parse_path(text: str) -> Path:
    """Steps of a path that matches :data:`PATTERN`, or ``("$rest",)``."""
    return tuple(_step(match) for match in _STEP.finditer(text))


def _step(match: re.Match[str]) -> Step:
    position = match["position"]
    return match["key"] if position is None else int(position)


def format_path(path: Path) -> str:
    """The text that :func:`parse_path` reads into ``path``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
