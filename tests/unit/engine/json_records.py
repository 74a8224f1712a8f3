"""What a sloppy source may send: any JSON value, and records full of them."""

import json
from typing import Any

from hypothesis import strategies as st

#: Every kind of character that some layer treats specially, more often than by chance.
ODD = "\0\x01\x02\t\n\r\\\"'\x7f\x85\u2028\ud800\udfff\ufffd\U0001f600Nn.,:{}"
TEXTS = st.text(
    st.characters() | st.sampled_from(ODD) | st.characters(categories=["Cs"]),
    max_size=30,
) | st.sampled_from(["", " ", "\\N", "\\.", "\x01", "null", "\\u0000", "\ud83d\ude00"])
NUMBERS = (
    st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.sampled_from([1e16, 1e22, 1.7e308, 5e-324, -0.0, 2**64, -(2**63) - 1])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)
TIMES = st.datetimes().map(lambda moment: moment.isoformat() + "Z")


def decoded(value: Any) -> Any:
    """The value as a JSON decoder gives it: two halves of a surrogate pair are one."""
    return json.loads(json.dumps(value))


JSON = _VALUES.map(decoded)


def records(columns: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Records with some of the fields, whatever they hold, and strange ones beside."""
    known = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(columns, JSON | TEXTS | TIMES)
    )
    strange = st.dictionaries(TEXTS, JSON, max_size=3)
    return st.builds(lambda a, b: decoded({**b, **a}), known, strange)
