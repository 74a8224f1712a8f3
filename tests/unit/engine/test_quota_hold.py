"""A pause that the source asks for binds everybody who uses the account."""

import threading
from collections.abc import Iterator

import pytest
from engine_load import Connection, rows
from quota_gates import Account

from crm_warehouse.errors import QuotaWaitError, WaitError
from crm_warehouse.spec import Quota

SAID = "/contacts: too many requests (status 429)"


@pytest.fixture
def account(shared_warehouse: str, shared_conn: Connection) -> Iterator[Account]:
    shared_conn.execute("DELETE FROM ops.api_quota")
    shared_conn.execute("DELETE FROM ops.api_quota_holds")
    opened = Account(shared_warehouse, shared_conn, Quota("hourly", 100, 3600))
    yield opened
    opened.close()


def left(account: Account, kind: str = "") -> float:
    """Seconds that another entity is told to wait, which holds no slot so long."""
    gate = account.gate("others")
    with pytest.raises(WaitError) as raised:
        gate.take(kind)
    assert not isinstance(raised.value, QuotaWaitError)
    assert raised.value.reason == f"crm asked for a pause: {SAID}"
    return (raised.value.resume_at - gate.now()).total_seconds()


def test_all_wait_until_the_pause_is_over(account: Account) -> None:
    account.gate("leads").hold(120, SAID)
    assert 110 < left(account) <= 120
    account.let_pass(120)
    account.gate("others").take()


def test_a_longer_hold_is_never_shortened(account: Account) -> None:
    gate = account.gate("leads")
    gate.hold(300, SAID)
    gate.hold(10, "a short one")
    assert 290 < left(account) <= 300


def test_a_hold_can_be_lengthened(account: Account) -> None:
    gate = account.gate("leads")
    gate.hold(100, "a short one")
    gate.hold(300, SAID)
    assert 290 < left(account) <= 300


def test_a_hold_of_one_kind_leaves_the_others_alone(account: Account) -> None:
    account.gate("leads").hold(120, SAID, "search")
    account.gate("others").take()
    account.gate("others").take("read")
    assert 110 < left(account, "search") <= 120


def test_a_hold_of_all_kinds_binds_every_kind(account: Account) -> None:
    account.gate("leads").hold(120, SAID)
    assert 110 < left(account, "search") <= 120


def test_while_held_nothing_is_counted(
    account: Account, shared_conn: Connection
) -> None:
    account.gate("leads").hold(120, SAID)
    left(account)
    assert rows(shared_conn, "SELECT count(*) FROM ops.api_quota_usage") == [(0,)]


def test_accounts_are_held_apart(account: Account, shared_conn: Connection) -> None:
    account.gate("leads").hold(120, SAID)
    ((wait,),) = rows(
        shared_conn, "SELECT wait FROM ops.take_request('other', 'leads', '')"
    )
    assert wait == 0


def test_a_short_hold_is_sat_out(account: Account) -> None:
    account.gate("leads").hold(0.3, SAID)
    taker = threading.Thread(target=account.gate("others").take)
    taker.start()
    taker.join(60)
    assert not taker.is_alive()
