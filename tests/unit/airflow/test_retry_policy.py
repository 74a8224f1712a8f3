from datetime import timedelta

import psycopg
import pytest
from airflow.sdk import RetryAction

from crm_warehouse import errors
from crm_warehouse.operators.retry import DELAYS, RETRIES, SyncRetryPolicy

FAIL_AT_ONCE = [
    errors.ConfigurationError("genius.yaml: wrong"),
    errors.AuthenticationError("401"),
    errors.RequestRefusedError("404", 404),
    errors.GuardError("40 % missing", "mass_delete", "full"),
    errors.FencedError("replaced"),
]
RETRIED = [
    errors.TransientSourceError("503"),
    errors.IncompleteReadError("99 of 100"),
    errors.SyncConflictError("locked"),
    MemoryError(),
]


@pytest.mark.parametrize("error", FAIL_AT_ONCE, ids=lambda e: type(e).__name__)
def test_what_needs_a_person_fails_at_once(error: Exception) -> None:
    decision = SyncRetryPolicy().evaluate(error, try_number=1, max_tries=3)

    assert decision.action is RetryAction.FAIL
    assert decision.reason is not None
    assert error.category in decision.reason  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", RETRIED, ids=lambda e: type(e).__name__)
def test_what_passes_is_retried_with_growing_pauses(error: Exception) -> None:
    decisions = [
        SyncRetryPolicy().evaluate(error, try_number=n, max_tries=RETRIES)
        for n in (1, 2, 3, 4)
    ]

    assert {d.action for d in decisions} == {RetryAction.RETRY}
    assert [d.retry_delay for d in decisions] == [
        timedelta(seconds=15),
        timedelta(minutes=1),
        timedelta(minutes=4),
        timedelta(minutes=16),
    ]


def test_errors_do_not_use_up_the_tries_that_are_there_for_kills() -> None:
    last = len(DELAYS) + 1
    decision = SyncRetryPolicy().evaluate(OSError(), last, max_tries=RETRIES)

    assert last < RETRIES
    assert decision.action is RetryAction.FAIL
    assert decision.reason == "OSError: gave up after 5 tries"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.DeadlockDetected("deadlock"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_warehouse_that_restarts_is_soon_tried_again(error: Exception) -> None:
    decisions = [
        SyncRetryPolicy().evaluate(error, try_number=n, max_tries=RETRIES)
        for n in range(1, 9)
    ]

    assert [d.retry_delay for d in decisions[:7]] == [
        *[timedelta(seconds=15)] * 4,
        *(timedelta(minutes=n) for n in (1, 4, 16)),
    ]
    assert decisions[7].action is RetryAction.FAIL


def test_after_a_person_cleared_the_run_the_pauses_begin_anew() -> None:
    # Airflow adds the tries to those that were made.
    decision = SyncRetryPolicy().evaluate(OSError(), 6, max_tries=5 + RETRIES)

    assert decision.retry_delay == DELAYS[0]


def test_reasons_carry_no_message_of_the_error() -> None:
    error = errors.AuthenticationError("refused for jane@example.com")

    decision = SyncRetryPolicy().evaluate(error, try_number=1, max_tries=3)

    assert "jane" not in str(decision.reason)


def test_airflow_can_store_the_policy() -> None:
    policy = SyncRetryPolicy()

    assert isinstance(SyncRetryPolicy.deserialize(policy.serialize()), SyncRetryPolicy)
