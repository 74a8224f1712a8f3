"""The committed JSON Schema, by which editors check source files."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from source_yaml import SMALL, changed
from test_source_problems import WRONG

from crm_warehouse.source_files import json_schema

SOURCES = Path(__file__).parents[3] / "include" / "sources"
SCHEMA = SOURCES / "source.schema.json"

# What a JSON Schema cannot say, or what is gone once the YAML is parsed.
BEYOND_SCHEMA = (
    "is there twice",
    "is written twice",
    "goes with webhooks",
    "does not go with forgets",
    "goes with forgets: true",
    "is missing: it goes with horizon",
    "must be shorter than horizon",
    "is more than max_size",
    "is no schedule that ever comes",
    "is already the name",
    "must be longer than nothing",
    "must begin with https",
    "must not hold credentials",
    "$rest makes an object",
    "keep is for text only",
    "set_null cannot be",
    "is taken",
    "the tag",
    "'<<' must name",
    "a key must be a word",
)


def _errors(document: Any) -> list[str]:
    return [
        error.message
        for error in Draft202012Validator(json_schema()).iter_errors(document)
    ]


def test_the_committed_schema_is_the_generated_one() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), (
        f"write json_schema() of crm_warehouse.source_files to {SCHEMA.name} again"
    )


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "path", sorted(SOURCES.glob("*.yaml")), ids=lambda path: path.name
)
def test_every_source_satisfies_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=source.schema.json\n")
    assert _errors(yaml.safe_load(text)) == []


def test_the_small_source_satisfies_it() -> None:
    assert _errors(yaml.safe_load(SMALL)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (old, new)
        for old, new, message in WRONG
        if not any(words in message for words in BEYOND_SCHEMA)
    ],
)
def test_what_loading_refuses_the_editor_underlines(old: str, new: str) -> None:
    assert _errors(yaml.safe_load(changed(old, new))) != []


def test_every_key_has_a_description() -> None:
    def walk(node: Any) -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in walk(item)]
        if not isinstance(node, dict):
            return []
        named = node.get("properties", {})
        bare = [
            key
            for key, value in named.items()
            if not {"description", "const", "$ref"} & value.keys()
            and key not in ("map", "into")
        ]
        return bare + [name for value in node.values() for name in walk(value)]

    assert walk(json_schema()) == []
