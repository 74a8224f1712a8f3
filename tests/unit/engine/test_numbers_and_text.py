"""Amounts, text and JSON: one text for one fact, and never one PostgreSQL refuses."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_warehouse.engine.values import UnusableValueError, json, numeric, text, trimmed

AMOUNTS = {
    "1234.5": "1234.50",
    " 12 ": "12.00",
    12: "12.00",
    1.1: "1.10",
    "0.005": "0.00",
    "0.015": "0.02",
    "1e3": "1000.00",
    "-0": "0.00",
    "-0.001": "0.00",
    -0.0: "0.00",
    "+7": "7.00",
    "9999999999.99": "9999999999.99",
    "9999999999.994": "9999999999.99",
    "-9999999999.99": "-9999999999.99",
    "1e-400": "0.00",
}
NO_AMOUNTS: list[Any] = [
    "9999999999.995",
    "-9999999999.995",
    "9999999999.999",
    "10000000000",
    1e10,
    10**30,
    "1e999999999",
    "NaN",
    "sNaN",
    "-Infinity",
    float("nan"),
    float("inf"),
    "1,000.00",
    "1_000",
    "$12",
    "twelve",
    "",
    True,
    [],
    {"amount": 1},
    "\ud800",
    "1\x00",
]


@pytest.mark.parametrize("sent", AMOUNTS)
def test_amounts(sent: Any) -> None:
    assert numeric(sent) == AMOUNTS[sent]


@pytest.mark.parametrize("sent", NO_AMOUNTS)
def test_what_is_no_amount_is_refused(sent: Any) -> None:
    with pytest.raises(UnusableValueError) as raised:
        numeric(sent)
    assert raised.value.error_type == "invalid_number"


@settings(max_examples=300)
@given(
    st.decimals(allow_nan=True)
    | st.decimals(-(10**10), 10**10, places=4)
    | st.floats()
    | st.integers()
)
def test_every_amount_fits_its_column(sent: Any) -> None:
    value = str(sent) if isinstance(sent, Decimal) else sent
    try:
        mapped = numeric(value)
    except UnusableValueError:
        return
    amount = Decimal(mapped)
    assert abs(amount) < 10**10
    assert amount.as_tuple().exponent == -2
    assert numeric(mapped) == mapped
    assert not (amount == 0 and mapped.startswith("-"))


@pytest.mark.parametrize(
    ("sent", "mapped"),
    [
        (" as sent ", " as sent "),
        (7, "7"),
        (2**70, str(2**70)),
        (1.0, "1.0"),
        (True, "true"),
        (False, "false"),
        ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
    ],
)
def test_text_is_kept_as_sent(sent: Any, mapped: str) -> None:
    assert text(sent) == mapped


def test_trimmed_text_loses_white_space_at_its_ends_only() -> None:
    assert trimmed(" \tIn  Progress\u00a0\n") == "In  Progress"


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=5))
def test_the_order_of_keys_says_nothing(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert json(value) == json(backwards)
