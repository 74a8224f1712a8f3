"""What answers tell of a quota: others' use stops us in time, and costs us no more."""

from collections.abc import Iterator
from typing import Any

import pytest
from engine_load import Connection, rows
from quota_gates import Account, OpenAccount, drain

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.engine.gate import QuotaGate
from crm_warehouse.spec import Quota

HOURLY = Quota("hourly", 100, 3600)


@pytest.fixture
def open_account(
    shared_warehouse: str, shared_conn: Connection
) -> Iterator[OpenAccount]:
    shared_conn.execute("DELETE FROM ops.api_quota")
    accounts: list[Account] = []

    def open_account(*quotas: Quota) -> Account:
        accounts.append(Account(shared_warehouse, shared_conn, *quotas))
        return accounts[-1]

    yield open_account
    for account in accounts:
        account.close()


def told(remaining: int, limit: int | None = 100, seconds: float | None = 3600) -> Any:
    return [Allowance(limit, remaining, seconds)]


def take(gate: QuotaGate, count: int) -> None:
    assert drain(gate, count) == count


def believed(conn: Connection) -> tuple[Any, ...]:
    (row,) = rows(
        conn, "SELECT told_limit, others_used FROM ops.api_quota WHERE kind = ''"
    )
    return row


def test_the_use_of_another_program_is_added_to_ours(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    gate = open_account(HOURLY).gate("leads")
    take(gate, 10)
    gate.learn(told(30))  # 70 used, of which 10 are ours

    assert believed(shared_conn) == (None, 60)
    assert drain(gate) == 30
    assert rows(shared_conn, "SELECT sum(used) FROM ops.api_quota_usage") == [(40,)]


def test_it_is_believed_less_when_an_answer_proves_it(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    account = open_account(HOURLY)
    gate = account.gate("leads")
    take(gate, 10)
    gate.learn(told(30))
    account.let_pass(300)
    gate = account.gate("leads")
    take(gate, 1)
    gate.learn(told(69))  # 31 used, of which 11 are ours

    # Whether the last one had arrived when the others were counted nobody knows.
    assert believed(shared_conn) == (None, 21)


def test_it_is_forgotten_unless_proven_again(open_account: OpenAccount) -> None:
    account = open_account(HOURLY)
    gate = account.gate("leads")
    take(gate, 10)
    gate.learn(told(0))
    assert drain(gate) == 0
    account.let_pass(601)
    assert drain(gate) == 90


def test_requests_in_flight_are_no_use_of_others(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    """Of 60, the last 20 were granted after the request that is answered."""
    account = open_account(HOURLY)
    first, second = account.gate("leads"), account.gate("users")
    take(first, 40)
    take(second, 20)
    first.learn(told(40))
    assert believed(shared_conn) == (None, 0)


def test_an_answer_that_lags_behind_costs_nothing(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    gate = open_account(HOURLY).gate("leads")
    take(gate, 60)
    gate.learn(told(45))  # five have not arrived yet
    assert believed(shared_conn) == (None, 0)
    assert drain(gate) == 40


def test_a_lower_limit_is_obeyed_until_another_is_told(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    account = open_account(HOURLY)
    gate = account.gate("leads")
    take(gate, 10)
    gate.learn(told(40, limit=50))
    assert believed(shared_conn) == (50, 0)
    assert drain(gate) == 40
    gate.learn(told(50, limit=100))
    assert believed(shared_conn) == (None, 0)
    assert drain(gate) == 50


def test_a_higher_limit_is_not_believed(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    gate = open_account(HOURLY).gate("leads")
    take(gate, 10)
    gate.learn(told(180, limit=190))
    assert believed(shared_conn) == (None, 0)
    assert drain(gate) == 90


def test_others_use_first_what_the_source_allows_above_our_limit(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    """Of 260 they have used 220: ours are those 39 that are left."""
    gate = open_account(HOURLY).gate("leads")
    take(gate, 1)
    gate.learn(told(39, limit=260))
    assert believed(shared_conn) == (None, 60)
    assert drain(gate) == 39


def test_a_definition_lower_than_what_was_told_counts(
    open_account: OpenAccount,
) -> None:
    gate = open_account(HOURLY).gate("leads")
    take(gate, 1)
    gate.learn(told(49, limit=50))
    assert drain(open_account(Quota("hourly", 40, 3600)).gate("leads")) == 39


def test_a_lower_limit_that_another_process_was_told_is_known(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    account = open_account(HOURLY)
    gate = account.gate("leads")
    take(gate, 1)
    gate.learn(told(49, limit=50))
    later = account.gate("users")
    take(later, 1)
    later.learn(told(98, limit=100))
    assert believed(shared_conn) == (None, 0)


def test_the_quota_is_found_by_its_window(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    daily = Quota("daily", 1000, 86_400)
    search = Quota("search", 50, 10, kind="search")
    gate = open_account(daily, Quota("short", 500, 10), search).gate("leads")
    take(gate, 1)
    gate.learn([Allowance(500, 100, 10.0), Allowance(1000, 300, 86_400.0)])
    assert rows(
        shared_conn, "SELECT name, others_used FROM ops.api_quota ORDER BY name"
    ) == [("daily", 699), ("search", 0), ("short", 399)]


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance(10, 0, 1.0),  # a window that no quota has
        Allowance(9, 0, None),
        Allowance(50, 0, None),  # perhaps a minute's
        Allowance(120, 0, None),
        Allowance(None, 0, None),
        Allowance(None, 0, 60.0),
    ],
)
def test_what_is_about_no_quota_of_ours_is_left(
    open_account: OpenAccount, shared_conn: Connection, allowance: Allowance
) -> None:
    gate = open_account(HOURLY).gate("leads")
    take(gate, 1)
    gate.learn([allowance])
    assert believed(shared_conn) == (None, 0)


def test_an_equal_limit_needs_no_window(
    open_account: OpenAccount, shared_conn: Connection
) -> None:
    gate = open_account(HOURLY, Quota("daily", 1000, 86_400)).gate("leads")
    take(gate, 1)
    gate.learn(told(20, 100, None))
    assert rows(
        shared_conn,
        "SELECT name, told_limit, others_used FROM ops.api_quota ORDER BY 1",
    ) == [("daily", None, 0), ("hourly", None, 79)]


def test_an_answer_without_news_asks_the_warehouse_nothing(
    open_account: OpenAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = open_account(HOURLY).gate("leads")
    asked: list[Any] = []
    for number in range(1, 101):
        take(gate, 1)
        with monkeypatch.context() as patched:
            patched.setattr(gate, "_conn", asked)  # has no method to ask with
            gate.learn(told(100 - number))
            gate.learn([])


def test_small_differences_are_looked_at_seldom(
    open_account: OpenAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that overtake each other tell one too few, again and again."""
    gate = open_account(HOURLY).gate("leads")
    take(gate, 60)
    gate.learn(told(39))
    take(gate, 1)
    with monkeypatch.context() as patched:
        patched.setattr(gate, "_conn", None)
        gate.learn(told(38))
