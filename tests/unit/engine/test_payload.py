"""Raw payloads: PostgreSQL takes every record, and gives back the same record."""

import json
from typing import Any

import pytest
from engine_load import Connection, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from json_records import JSON, TEXTS

from crm_warehouse.engine.payload import REPLACEMENT, decode, encode

#: Nested deeper than the fast encoder goes, and than anything a CRM sends.
DEEP: Any = [7]
for _ in range(700):
    DEEP = {"inner": DEEP}


def canonical(value: Any) -> str:
    """Tells everything apart that JSON does: 1, 1.0 and true, 0.0 and -0.0."""
    return json.dumps(value, sort_keys=True)


def test_postgresql_takes_every_value_and_gives_it_back(
    shared_conn: Connection,
) -> None:
    sent: list[Any] = [DEEP, {"n": 2**4000}, {"a\0": 1, f"a{REPLACEMENT}": 2}]

    @settings(max_examples=400, deadline=None, database=None)
    @given(JSON)
    def collect(value: Any) -> None:
        sent.append(value)

    collect()
    encoded = [encode(value) for value in sent]
    stored = rows(
        shared_conn,
        "SELECT j::text FROM unnest(%s::jsonb[]) WITH ORDINALITY AS t (j, n)"
        " ORDER BY n",
        [payload.text for payload in encoded],
    )
    assert len(stored) == len(sent)
    for value, payload, (text,) in zip(sent, encoded, stored, strict=True):
        assert canonical(decode(text, payload.exact)) == canonical(value)
        assert payload.exact is None or payload.exact.isascii()
    assert sum(payload.exact is not None for payload in encoded) > 20
    assert sum(payload.exact is None for payload in encoded) > 20


@given(st.dictionaries(TEXTS, JSON, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_change_the_digest(
    record: dict[str, Any], chance: Any
) -> None:
    items = list(record.items())
    chance.shuffle(items)
    assert encode(dict(items)) == encode(record)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": None}, {}),
        ({"a": ""}, {"a": None}),
        ({"a": "1"}, {"a": 1}),
        ({"a": float("nan")}, {"a": None}),
        ({"a": [{"b": [float("inf")]}]}, {"a": [{"b": [None]}]}),
        ({"a": "x\0"}, {"a": f"x{REPLACEMENT}"}),
        ({"a": "\ud800"}, {"a": "\udfff"}),
        ({"a": 2**64}, {"a": 2**64 + 1}),
        ({"a": -0.0}, {"a": 0.0}),
    ],
)
def test_different_records_have_different_digests(one: Any, other: Any) -> None:
    assert encode(one).digest != encode(other).digest


def test_what_is_refused_is_replaced_in_sight_and_kept_beside() -> None:
    stored = encode({"a\0": "x\0y", "b": ["\ud83d"], "c": float("-inf"), "é": "日本"})

    assert stored.text == (
        f'{{"a{REPLACEMENT}":"x{REPLACEMENT}y","b":["{REPLACEMENT}"],'
        '"c":"-inf","é":"日本"}'
    )
    assert stored.exact == (
        b'{"a\\u0000":"x\\u0000y","b":["\\ud83d"],"c":-Infinity,'
        b'"\\u00e9":"\\u65e5\\u672c"}'
    )
