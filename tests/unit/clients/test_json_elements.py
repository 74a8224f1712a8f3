"""An array is taken apart without being read."""

import json

import pytest

from crm_warehouse.clients.json_elements import split_array


@pytest.mark.parametrize(
    "value",
    [
        [1],
        [1, "two", None, True, 4.5],
        [{"a": [1, 2], "b": "],["}, [], {}, [[1], [2]]],
        ['a"b', "\\", '\\"', "},{", "é\ud83d"],
        [{"a": "x" * 10_000}, '\\\\"'],
    ],
)
@pytest.mark.parametrize("blanks", [None, 2])
def test_elements_are_those_of_the_array(value: list[object], blanks: int) -> None:
    text = json.dumps(value, indent=blanks).encode()

    elements = split_array(b"\xef\xbb\xbf \n" + text + b"\r\n")

    assert elements is not None
    assert [json.loads(each) for each in elements] == value


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (b'[1,{"a":},2]', [b"1", b'{"a":}', b"2"]),
        (b"[1,,\xff]", [b"1", b"", b"\xff"]),
        (
            b"[" + b"[" * 9_000 + b"]" * 9_000 + b",7]",
            [b"[" * 9_000 + b"]" * 9_000, b"7"],
        ),
    ],
)
def test_elements_need_not_be_json(body: bytes, elements: list[bytes]) -> None:
    assert split_array(body) == elements


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"7", b"[1", b'[1,"a]', b"[1]]", b"[1] x", b'[{"a":1]', b"[1}}"],
)
def test_what_is_no_whole_array_is_none(body: bytes) -> None:
    assert split_array(body) is None
