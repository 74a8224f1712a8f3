"""Entities of one account share its quotas; webhooks have a share of their own."""

from collections.abc import Iterator

import pytest
from engine_load import Connection, rows
from quota_gates import Account, OpenAccount, drain, in_turns

from crm_warehouse.errors import QuotaWaitError
from crm_warehouse.spec import Quota

HOURLY = Quota("hourly", 120, 3600)
#: More than a request of the window can still count.
WINDOW = 3700


@pytest.fixture
def open_account(
    shared_warehouse: str, shared_conn: Connection
) -> Iterator[OpenAccount]:
    """Opens the account with given quotas; nothing is remembered of it yet."""
    shared_conn.execute("DELETE FROM ops.api_quota")
    accounts: list[Account] = []

    def open_account(*quotas: Quota, webhook_share: float = 0.0) -> Account:
        accounts.append(
            Account(shared_warehouse, shared_conn, *quotas, webhook_share=webhook_share)
        )
        return accounts[-1]

    yield open_account
    for account in accounts:
        account.close()


def test_one_alone_gets_all(open_account: OpenAccount) -> None:
    assert drain(open_account(HOURLY).gate("leads")) == 120


def test_twelve_entities_get_a_twelfth_each(open_account: OpenAccount) -> None:
    assert in_turns(open_account(HOURLY).gates(12), [1] * 12) == [10] * 12


def test_speed_does_not_buy_a_larger_share(open_account: OpenAccount) -> None:
    account = open_account(HOURLY)
    gates = account.gates(12)
    in_turns(gates, [1] * 12)
    account.let_pass(WINDOW)

    assert in_turns(gates, [*range(1, 7), 100, 100, 100, 2, 2, 2]) == [10] * 12


def test_those_who_resume_one_after_the_other_find_their_shares(
    open_account: OpenAccount,
) -> None:
    """As Airflow resumes them when a pool has room for one."""
    account = open_account(HOURLY)
    gates = account.gates(12)
    in_turns(gates, [1] * 12)
    account.let_pass(WINDOW)

    assert [drain(gate) for gate in gates] == [10] * 12


def test_latecomers_wait_no_longer_than_a_window(open_account: OpenAccount) -> None:
    account = open_account(HOURLY)
    hog, *latecomers = account.gates(12)
    assert drain(hog) == 120
    for gate in latecomers:
        with pytest.raises(QuotaWaitError) as raised:
            gate.take()
        assert (raised.value.resume_at - gate.now()).total_seconds() < 3_664
    account.let_pass(WINDOW)

    assert drain(hog) <= 10
    assert [drain(gate) for gate in latecomers] == [10] * 11


def test_what_one_does_not_want_the_others_use(open_account: OpenAccount) -> None:
    account = open_account(HOURLY)
    small, large = account.gate("small"), account.gate("large")
    assert drain(large) == 120
    assert drain(small) == 0
    account.let_pass(WINDOW)
    small = account.gate("small")
    assert drain(small, 3) == 3
    small.close()

    assert drain(large) == 117


def test_a_share_is_kept_for_one_that_waits(open_account: OpenAccount) -> None:
    account = open_account(HOURLY)
    waiting, large = account.gate("waiting"), account.gate("large")
    assert drain(large) == 120
    assert drain(waiting) == 0
    waiting.close()
    account.let_pass(WINDOW)

    assert drain(large) == 60
    # It does not come back: long after its wait nothing is kept any more.
    account.let_pass(600)
    assert drain(large) == 60


def test_one_that_waits_for_others_looks_again_soon(open_account: OpenAccount) -> None:
    """They may want less than their share; then nobody would use it."""
    account = open_account(HOURLY)
    waiting, large = account.gate("waiting"), account.gate("large")
    drain(large)
    drain(waiting)
    account.let_pass(WINDOW)
    drain(large)
    with pytest.raises(QuotaWaitError, match="60 left to entities that") as raised:
        large.take()

    assert 175 < (raised.value.resume_at - large.now()).total_seconds() < 185


def test_a_slow_entity_leaves_what_it_cannot_use(open_account: OpenAccount) -> None:
    """A request a minute is 60 an hour, of which it has used nearly all."""
    account = open_account(Quota("hourly", 500, 3600))
    slow, fast = account.gate("slow"), account.gate("fast")
    for _ in range(60):
        slow.take()
        account.let_pass(60)

    assert 425 <= drain(fast) <= 440
    # What the slow one will use at its pace is left to it.
    for _ in range(5):
        slow.take()
        account.let_pass(60)


def test_an_entity_that_has_just_begun_does_not_stop_a_large_load(
    open_account: OpenAccount,
) -> None:
    account = open_account(HOURLY)
    large, small = account.gate("large"), account.gate("small")
    assert drain(large, 80) == 80
    assert drain(small, 2) == 2
    # 5 and twice what it has used, less that.
    assert drain(large) == 120 - 82 - 7


def test_who_waits_resumes_when_a_minute_of_its_share_is_there(
    open_account: OpenAccount,
) -> None:
    """Six a minute; the oldest minute has one only, for which nobody wakes up."""
    account = open_account(Quota("hourly", 360, 3600))
    gate = account.gate("leads")
    for requests in (1, *[6] * 59):
        assert drain(gate, requests) == requests
        account.let_pass(60)
    drain(gate)
    with pytest.raises(QuotaWaitError) as raised:
        gate.take()
    wait = (raised.value.resume_at - gate.now()).total_seconds()
    account.let_pass(wait + 0.1)

    assert 5 < wait < 125
    assert 6 <= drain(gate) <= 13


def test_shares_of_a_kind_are_shared_by_those_who_ask_for_it(
    open_account: OpenAccount,
) -> None:
    search = Quota("search", 30, 3600, kind="search")
    account = open_account(Quota("all", 1000, 3600), search)
    lists, first, second = account.gates(3)
    assert drain(lists, 100) == 100
    assert drain(first, kind="search") == 30
    assert drain(second, kind="search") == 0
    account.let_pass(WINDOW)

    assert drain(lists, 100) == 100
    assert drain(first, kind="search") == 15
    assert drain(second, kind="search") == 15


def test_webhooks_find_quota_when_polls_have_used_theirs(
    open_account: OpenAccount,
) -> None:
    account = open_account(HOURLY, webhook_share=0.1)
    poll, merge = account.gate("leads"), account.gate("webhooks")
    assert drain(poll) == 108
    with pytest.raises(QuotaWaitError, match="12 kept for webhooks"):
        poll.take()

    assert drain(merge) == 12


def test_webhooks_use_their_own_share_first(open_account: OpenAccount) -> None:
    account = open_account(HOURLY, webhook_share=0.1)
    merge, poll = account.gate("webhooks"), account.gate("leads")
    assert drain(merge, 12) == 12
    merge.close()

    assert drain(poll) == 108


def test_webhooks_may_use_the_whole_quota(open_account: OpenAccount) -> None:
    account = open_account(HOURLY, webhook_share=0.1)
    assert drain(account.gate("webhooks")) == 120


def test_of_a_quota_of_one_kind_nothing_is_kept(open_account: OpenAccount) -> None:
    search = Quota("search", 30, 3600, kind="search")
    account = open_account(HOURLY, search, webhook_share=0.5)
    assert drain(account.gate("leads"), kind="search") == 30


def test_the_release_before_takes_from_the_same_quotas(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    gate = open_account(HOURLY).gate("leads")
    gate.take()
    take = "SELECT ops.take_quota('crm')"
    assert rows(shared_conn, take) == [(0.0,)]
    assert rows(shared_conn, "SELECT ops.take_quota('crm', 'read')") == [(0.0,)]
    assert drain(gate) == 120 - 3 - 7  # what one of no name may still want
    for _ in range(7):
        assert rows(shared_conn, take) == [(0.0,)]

    ((wait,),) = rows(shared_conn, take)
    assert 3_500 < wait < 3_664


def test_a_wait_says_which_quota_and_how_much_of_it(open_account: OpenAccount) -> None:
    account = open_account(Quota("daily", 3, 86400), Quota("hourly", 50, 3600))
    gate = account.gate("leads")
    drain(gate)
    with pytest.raises(QuotaWaitError) as raised:
        gate.take()
    assert raised.value.reason == "crm quota daily: 3 of 3 requests in 1 day used"
