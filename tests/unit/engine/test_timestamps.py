"""Instants: every notation of one gives one text, and PostgreSQL agrees with it."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from engine_load import NOON, Connection
from hypothesis import given
from hypothesis import strategies as st

from crm_warehouse.engine.values import UnusableValueError, timestamp

SAME = "2025-06-15T10:30:00Z"

ACCEPTED = {
    "2025-06-15T10:30:00Z": SAME,
    "2025-06-15 10:30:00": SAME,
    "2025-06-15T10:30": SAME,
    "2025-06-15T10:30:00.000Z": SAME,
    "2025-06-15T10:30:00.000000000Z": SAME,
    "2025-06-15T12:30:00+02:00": SAME,
    "2025-06-15T12:30:00+0200": SAME,
    "2025-06-15T05:00:00-05:30": SAME,
    "20250615T103000Z": SAME,
    "2025-W24-7T10:30:00Z": SAME,
    "2025-06-14T23:30:00-11:00": SAME,
    "2025-06-15T10:30:00.5Z": "2025-06-15T10:30:00.5Z",
    "2025-06-15T10:30:00,500Z": "2025-06-15T10:30:00.5Z",
    "2025-06-15T103000.5Z": "2025-06-15T10:30:00.5Z",
    "2025-06-15T103000,5Z": "2025-06-15T10:30:00.5Z",
    "2025-06-15T10:30:00.123456789Z": "2025-06-15T10:30:00.123456Z",
    "2025-06-15": "2025-06-15T00:00:00Z",
    "2025-W01-1": "2024-12-30T00:00:00Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z",
    "0999-12-31T23:59:59Z": "0999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00Z",
}
REFUSED = [
    "",
    " ",
    "yesterday",
    "0000-00-00 00:00:00",
    "0000-01-01T00:00:00Z",
    "2025-06-31",
    "2025-02-29T00:00:00Z",
    "2025-06-15T24:00:01Z",
    "2025-06-15T25:00:00Z",
    "2025-06-15T10:60:00Z",
    "2025-06-15T10:30:60Z",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "06/15/2025",
    "now",
    "infinity",
    # Twenty characters in the shape of the fast way, yet no instants.
    "2025-06-15T10-30-00Z",
    "2025-13-15T10:30:00Z",
    "2025-06-15T10:30:0\x00Z",
    "2025-06-15T10:3\ud800:00Z",
    "٢٠٢٥-06-15T10:30:00Z",
    "abcd-ef-ghTij:kl:mnZ",
]


@pytest.mark.parametrize("sent", ACCEPTED)
def test_every_notation_of_an_instant_gives_one_text(sent: str) -> None:
    assert timestamp(sent) == ACCEPTED[sent]


def test_what_is_mapped_is_the_instant_that_was_meant(
    shared_conn: Connection,
) -> None:
    """PostgreSQL reads our text as the instant that Python reads in the text sent."""
    for sent in ACCEPTED:
        read = shared_conn.execute(
            "SELECT %s::timestamptz", [timestamp(sent)]
        ).fetchone()
        assert read == (instant(sent),), sent


@pytest.mark.parametrize("sent", REFUSED)
def test_what_is_no_instant_is_refused(sent: str) -> None:
    with pytest.raises(UnusableValueError) as raised:
        timestamp(sent)
    assert raised.value.error_type == "invalid_timestamp"
    assert not sent.strip() or sent not in str(raised.value)


@pytest.mark.parametrize(
    "sent",
    [0, 1718447400, 10**13, -(10**12), 10**30, 1.5, True, [], {}, ["2025-06-15"]],
)
def test_only_text_and_milliseconds_are_instants(sent: object) -> None:
    with pytest.raises(UnusableValueError):
        timestamp(sent)


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        (1718447400000, "2024-06-15T10:30:00Z"),
        (1718447400005, "2024-06-15T10:30:00.005Z"),
        (10**10, "1970-04-26T17:46:40Z"),
        (10**13 - 1, "2286-11-20T17:46:39.999Z"),
    ],
)
def test_milliseconds_may_be_a_number(sent: int, instant: str) -> None:
    assert timestamp(sent) == timestamp(str(sent)) == instant


def test_midnight_at_the_end_of_a_day_is_refused_or_the_next_day() -> None:
    """Python before 3.14 refuses 24:00; later ones know the next day's beginning."""
    try:
        mapped = timestamp("2025-06-15T24:00:00Z")
    except UnusableValueError:
        return
    assert mapped == "2025-06-16T00:00:00Z"


MOMENTS = st.datetimes(
    NOON.replace(year=2, tzinfo=None),
    NOON.replace(year=9998, tzinfo=None),
    timezones=st.just(UTC),
)


@given(MOMENTS, st.integers(-23 * 60, 23 * 60))
def test_the_text_tells_the_instant_whatever_the_offset(
    moment: datetime, minutes: int
) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))

    assert timestamp(elsewhere.isoformat()) == timestamp(moment.isoformat())
    assert datetime.fromisoformat(timestamp(elsewhere.isoformat())) == moment


@given(st.text(st.sampled_from("0123456789-:.,TZW+ "), min_size=8, max_size=26))
def test_what_is_accepted_is_canonical_and_what_is_refused_is_no_instant(
    sent: str,
) -> None:
    try:
        mapped = timestamp(sent)
    except UnusableValueError:
        assert instant(sent) is None
    else:
        assert mapped.endswith("Z")
        assert datetime.fromisoformat(mapped) == instant(sent)
        assert timestamp(mapped) == mapped


def instant(sent: str) -> datetime | None:
    """What Python reads in a text, in UTC unless it says otherwise; or milliseconds."""
    if re.fullmatch(r"([0-9]{11,13}|-[0-9]{1,13})(\.[0-9]+)?", sent):
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=float(sent))
    try:
        moment = datetime.fromisoformat(sent)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
