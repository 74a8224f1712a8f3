"""How long a job bears a source that fails it."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_warehouse.clients.tally import Tally

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_fault_is_a_retry_and_an_answer_ends_the_row():
    tally = Tally(requests=7)
    streak = tally.begin()
    tally.failed(streak, NOON, throttled=False)
    tally.failed(streak, NOON + timedelta(seconds=1), throttled=True)
    assert tally == Tally(7, retries=2, faults=1, throttles=1, faulted_at=NOON)

    tally.answered()

    assert tally == Tally(7, retries=2, faulted_at=NOON)


def test_only_what_is_committed_ends_the_time_of_faults():
    tally = Tally()
    tally.failed(tally.begin(), NOON, throttled=False)
    tally.progressed()  # pages before the one that fails now
    assert tally.faulted_at == NOON

    tally.answered()
    tally.progressed()

    assert tally.faulted_at is None


def test_a_day_of_faults_is_enough():
    tally = Tally()
    assert not tally.is_too_long(NOON + 9 * DAY)

    tally.rest(NOON)

    assert not tally.is_too_long(NOON + DAY)
    assert tally.is_too_long(NOON + DAY + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"),
     (3600, "1 h 0 min"), (86399, "23 h 59 min")],
)  # fmt: skip
def test_how_long_for_people(seconds, told):
    tally = Tally(faulted_at=NOON)
    assert tally.lasted(NOON + timedelta(seconds=seconds)) == told


def test_requests_in_flight_have_their_own_rows_of_faults():
    tally = Tally()
    mine, other = tally.begin(), tally.begin()
    for _ in range(3):
        tally.failed(mine, NOON, throttled=False)
        tally.failed(other, NOON, throttled=True)
        tally.answered()  # a third one

    assert (mine.faults, mine.throttles) == (3, 0)
    assert (other.faults, other.throttles) == (0, 3)
    assert tally == Tally(retries=6, faulted_at=NOON)


def test_what_stopped_the_last_attempt_counts_until_an_answer_comes():
    tally = Tally(faults=4, throttles=1)
    assert (tally.begin().faults, tally.begin().throttles) == (4, 1)

    tally.answered()

    assert (tally.begin().faults, tally.begin().throttles) == (0, 0)


def test_after_a_rest_every_row_of_faults_begins_anew():
    tally = Tally(faults=4)
    streak = tally.begin()
    tally.rest(NOON)

    tally.failed(streak, NOON, throttled=False)

    assert (streak.faults, tally.begin().faults) == (1, 0)
