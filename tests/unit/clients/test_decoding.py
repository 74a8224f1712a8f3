"""Bytes that sources send in place of clean JSON."""

import math

import pytest

from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.errors import TransientSourceError


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\u0000"}', {"a": "\x00"}),
        (b'{"a": "\\ud800 x"}', {"a": "\ud800 x"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b' \r\n{"a": 1}\n', {"a": 1}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
        ('{"a": "é"}'.encode("utf-32-le"), {"a": "é"}),
        (b'{"a": NaN, "b": -Infinity}', {"a": "NaN", "b": "-Infinity"}),
        (b'{"a": 1e400, "b": 1.5, "c": NaN}', {"a": "1e400", "b": 1.5, "c": "NaN"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 1, "a": NaN}', {"a": "NaN"}),
        (b"[9223372036854775808]", [9223372036854775808]),
        (b"[" + b"9" * 400 + b"]", [int("9" * 400)]),
        (b"[" + b"9" * 5000 + b"]", ["9" * 5000]),
        (b'"caf\xe9"', "caf\udce9"),
    ],
)
def test_kept_rather_than_refused(body, value):
    assert decode_json(body) == value


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json; charset=ISO-8859-1", b'"caf\xe9"', "café"),
        ('application/json; Charset="windows-1252"; x=y', b'"\x80"', "€"),
        # A wrong declaration does not spoil good UTF-8.
        ("application/json; charset=latin-1", '"café"'.encode(), "café"),
        ("application/json; charset=klingon", b'"caf\xe9"', "caf\udce9"),
        ("application/json; charset=", b'"caf\xe9"', "caf\udce9"),
    ],
)
def test_charset(content_type, body, text):
    assert decode_json(body, content_type) == text


def test_money_keeps_its_cents():
    value = decode_json(b"[12.10, 99999999999.99, 0.1]")
    assert [repr(number) for number in value] == ["12.1", "99999999999.99", "0.1"]


def test_integers_beyond_64_bits_become_floats():
    (value,) = decode_json(b"[18446744073709551616]")
    assert isinstance(value, float)
    assert math.isclose(value, 2**64)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!doctype html><title>Jane</title>", "HTML"),
        (b'\n<?xml version="1.0"?>', "HTML or XML"),
        (b'[{"id": 1}, {"id": ', "truncated"),
        (b"[1] [2]", "truncated, or no JSON"),
        (b"[1,]", "no JSON"),
        (b"upstream error", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_never_taken_for_data(body, words):
    with pytest.raises(TransientSourceError, match=words) as caught:
        decode_json(body)
    assert "Jane" not in str(caught.value)
