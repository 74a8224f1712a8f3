"""Quotas of a day begin anew at the account's midnight, wherever that is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from engine_load import Connection, rows
from quota_gates import Account

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.errors import WaitError
from crm_warehouse.spec import Quota

DAILY = Quota("daily", 1_000, 86_400)
#: The source's clock may be behind ours.
MARGIN = timedelta(minutes=1)
#: Zone, instant, begin and end of the account's day then; all in UTC.
DAYS = [
    ("UTC", "2026-05-04T12:00", "2026-05-04T00:00", "2026-05-05T00:00"),
    ("America/New_York", "2026-01-15T03:00", "2026-01-14T05:00", "2026-01-15T05:00"),
    # The day on which clocks are put forward has 23 hours, the other one 25.
    ("America/New_York", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),
    ("America/New_York", "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00"),
    # No midnight: at 00:00 it is 01:00.
    ("America/Havana", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),
    # Midnight comes twice, at 04:00 and at 05:00: the later one counts.
    ("America/Havana", "2026-11-01T04:30", "2026-10-31T04:00", "2026-11-01T05:00"),
    ("America/Havana", "2026-11-01T12:00", "2026-11-01T05:00", "2026-11-02T05:00"),
    ("Asia/Kathmandu", "2026-05-04T12:00", "2026-05-03T18:15", "2026-05-04T18:15"),
    ("Australia/Lord_Howe", "2026-04-05T00:00", "2026-04-04T13:00", "2026-04-05T13:30"),
    ("Pacific/Kiritimati", "2026-05-04T11:00", "2026-05-04T10:00", "2026-05-05T10:00"),
    ("Pacific/Pago_Pago", "2026-05-04T10:00", "2026-05-03T11:00", "2026-05-04T11:00"),
]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "at", "start", "end"), DAYS)
def test_when_a_day_begins_and_ends(
    shared_conn: Connection, zone: str, at: str, start: str, end: str
) -> None:
    statement = f"""SELECT ops.quota_day_start('{zone}', '{at}Z'),
        ops.quota_day_end('{zone}', '{at}Z')"""
    begun, ended = instant(start) + MARGIN, instant(end) + MARGIN

    assert rows(shared_conn, statement) == [(begun, ended)]


def test_just_behind_midnight_the_day_before_goes_on(shared_conn: Connection) -> None:
    """A source whose clock is behind would else be asked a minute too early."""
    statement = "SELECT ops.quota_day_end('UTC', '2026-05-05T00:00:30Z')"

    assert rows(shared_conn, statement) == [(instant("2026-05-05T00:01"),)]


@pytest.fixture
def account(shared_warehouse: str, shared_conn: Connection) -> Iterator[Account]:
    shared_conn.execute("DELETE FROM ops.api_quota")
    shared_conn.execute("DELETE FROM ops.api_quota_holds")
    opened = Account(shared_warehouse, shared_conn, DAILY)
    yield opened
    opened.close()


def used(conn: Connection, hours_ago: float, requests: int) -> None:
    conn.execute(
        "INSERT INTO ops.api_quota_usage (source_system, name, bucket, used) VALUES"
        f" ('crm', 'daily', now() - interval '{hours_ago} hours', {requests})"
    )


def midnight_zone(conn: Connection, hours_ago: int) -> str:
    """A zone whose latest midnight was between so many hours ago and one more."""
    ((hour,),) = rows(conn, "SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int")
    ahead = (hours_ago - hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def test_what_was_used_before_midnight_does_not_count(
    account: Account, shared_conn: Connection
) -> None:
    gate = account.gate("contacts")
    used(shared_conn, 8, 1_000)
    with pytest.raises(WaitError):
        gate.take()

    gate.save_time_zone(midnight_zone(shared_conn, hours_ago=3))

    gate.take()


def test_what_was_used_since_midnight_counts_until_the_next(
    account: Account, shared_conn: Connection
) -> None:
    gate = account.gate("contacts")
    gate.save_time_zone(midnight_zone(shared_conn, hours_ago=6))
    used(shared_conn, 2, 1_000)
    left = gate.seconds_of_day_left()

    with pytest.raises(WaitError) as raised:
        gate.take()

    assert left is not None
    assert 17 * 3_600 <= left <= 18 * 3_600 + 60
    wait = (raised.value.resume_at - gate.now()).total_seconds()
    # What the account may do then is there at once.
    assert wait == pytest.approx(left, abs=30)


def test_a_header_that_says_nothing_is_left_holds_everybody(
    account: Account, shared_conn: Connection
) -> None:
    gate = account.gate("contacts")
    gate.save_time_zone(midnight_zone(shared_conn, hours_ago=6))
    gate.take()
    left = gate.seconds_of_day_left()

    gate.learn([Allowance(1_000, 0, 86_400.0)])

    with pytest.raises(WaitError, match="of the day are used up") as raised:
        account.gate("deals").take("search")
    wait = (raised.value.resume_at - gate.now()).total_seconds()
    assert wait == pytest.approx(left, abs=30)


def test_what_others_used_of_the_day_stays_used_until_midnight(
    account: Account, shared_conn: Connection
) -> None:
    statement = """
        SELECT others_used, others_until = ops.quota_day_end(time_zone, now())
        FROM ops.api_quota
    """
    gate = account.gate("contacts")
    gate.take()
    gate.learn([Allowance(1_000, 400, 86_400.0)])  # 600 used, one of them by us

    gate.save_time_zone(midnight_zone(shared_conn, hours_ago=6))
    assert rows(shared_conn, statement) == [(599, True)]
    other = account.gate("deals")
    other.take()
    other.learn([Allowance(1_000, 300, 86_400.0)])

    assert rows(shared_conn, statement) == [(698, True)]


def test_a_zone_is_asked_for_once_a_week(
    account: Account, shared_conn: Connection
) -> None:
    gate = account.gate("contacts")
    assert gate.lacks_time_zone()
    assert gate.seconds_of_day_left() is None

    gate.save_time_zone("America/Chicago")
    assert not gate.lacks_time_zone()
    gate.save_time_zone("Nowhere/Land")

    assert rows(shared_conn, "SELECT time_zone FROM ops.api_quota") == [
        ("America/Chicago",)
    ]
    shared_conn.execute(
        "UPDATE ops.api_quota SET time_zone_asked_at = now() - interval '8 days'"
    )
    assert gate.lacks_time_zone()


def test_an_account_without_a_quota_of_a_day_is_not_asked(
    shared_warehouse: str, shared_conn: Connection
) -> None:
    shared_conn.execute("DELETE FROM ops.api_quota")
    other = Account(shared_warehouse, shared_conn, Quota("hourly", 10, 3_600))

    assert not other.gate("leads").lacks_time_zone()

    other.close()
