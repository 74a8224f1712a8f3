"""Law 8: all processes together never ask for more than the source allows."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deadline import until
from engine_load import Connection, rows

from crm_warehouse.clients.rate_limits import Allowance
from crm_warehouse.engine.gate import Patience, QuotaGate, StoppedError
from crm_warehouse.errors import QuotaWaitError, WaitError
from crm_warehouse.spec import Quota

TAKER = Path(__file__).with_name("quota_taker.py")
OpenGate = Callable[..., QuotaGate]


@pytest.fixture
def open_gate(shared_warehouse: str, shared_conn: Connection) -> Iterator[OpenGate]:
    """Opens gates of account ``crm``, closed after the test; no quota is known yet."""
    shared_conn.execute("DELETE FROM ops.api_quota")
    gates: list[QuotaGate] = []

    def open_gate(
        *quotas: Quota,
        max_wait: float = 0.0,
        max_pause: float = 60.0,
        stop: threading.Event | None = None,
        asker: str = "prospects",
    ) -> QuotaGate:
        gate = QuotaGate(
            shared_warehouse,
            "crm",
            quotas,
            stop or threading.Event(),
            asker=asker,
            patience=Patience(max_wait, max_pause),
        )
        gates.append(gate)
        return gate

    yield open_gate
    for gate in gates:
        gate.close()


def take_at_once(warehouse: str, processes: int, each: int) -> list[tuple[float, ...]]:
    """Intervals in which requests of several processes were counted, in order."""
    takers = [
        subprocess.Popen(
            [sys.executable, str(TAKER), "crm", str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write(warehouse + "\n")
        taker.stdin.flush()
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("go\n")
        taker.stdin.flush()
    answers = [taker.communicate(timeout=60)[0] for taker in takers]
    assert all(taker.returncode == 0 for taker in takers)
    lines = [line for answer in answers for line in answer.splitlines()]
    return sorted(tuple(map(float, line.split())) for line in lines)


def most_in_a_window(taken: list[tuple[float, ...]], seconds: float) -> int:
    """Most requests that surely lie in one window of the length.

    A request was counted somewhere in its interval, so some lie surely together when
    the end of the last comes before the beginning of the first plus the window.
    """
    return max(
        sum(asked >= first and end < first + seconds for asked, end in taken)
        for first, _ in taken
    )


def test_processes_together_keep_every_limit_in_every_window(
    open_gate: OpenGate, shared_warehouse: str
) -> None:
    short, long = Quota("short", 8, 0.4), Quota("long", 20, 1.2)
    open_gate(short, long)
    began = time.monotonic()
    taken = take_at_once(shared_warehouse, 4, 13)

    assert len(taken) == 52
    assert most_in_a_window(taken, 0.4) <= 8
    assert most_in_a_window(taken, 1.2) <= 20
    # 52 requests need two whole windows of 20; waiting much longer would waste quota.
    assert 2.4 <= time.monotonic() - began < 12


def test_a_limit_is_used_up_before_anyone_waits(open_gate: OpenGate) -> None:
    gate = open_gate(Quota("hourly", 20, 3600))
    for _ in range(20):
        gate.take()
    with pytest.raises(QuotaWaitError) as raised:
        gate.take()

    ahead = raised.value.resume_at - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead < timedelta(minutes=62)
    assert "quota" in str(raised.value)


def test_nothing_is_counted_when_one_of_two_limits_is_used_up(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    gate = open_gate(Quota("daily", 100, 86400), Quota("hourly", 2, 3600))
    gate.take()
    gate.take()
    for _ in range(3):
        with pytest.raises(QuotaWaitError):
            gate.take()

    assert rows(
        shared_conn,
        "SELECT name, sum(used)::int FROM ops.api_quota_usage GROUP BY 1 ORDER BY 1",
    ) == [("daily", 2), ("hourly", 2)]


def test_at_resume_at_requests_are_allowed_again(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    """Usage is aged by hand: the wait itself would take six seconds and more."""
    gate = open_gate(Quota("six", 3, 6.0))
    for _ in range(3):
        gate.take()
    with pytest.raises(QuotaWaitError) as raised:
        gate.take()
    left = (raised.value.resume_at - gate.now()).total_seconds()
    assert 5 < left < 6.5

    age = "UPDATE ops.api_quota_usage SET bucket = bucket - make_interval(secs => %s)"
    shared_conn.execute(age, [left - 1.0])
    ((wait,),) = rows(shared_conn, "SELECT ops.take_quota('crm')")
    assert 0 < wait <= 1.1
    shared_conn.execute(age, [1.1])
    gate.take()


def test_a_short_wait_is_waited(open_gate: OpenGate) -> None:
    gate = open_gate(Quota("short", 2, 0.5))
    began = time.monotonic()
    for _ in range(3):
        gate.take()
    assert time.monotonic() - began >= 0.45


def test_a_caller_may_allow_longer_waits(open_gate: OpenGate) -> None:
    quota = Quota("slow", 1, 5.5)
    open_gate(quota).take()
    with pytest.raises(QuotaWaitError):
        open_gate(quota).take()
    stop = threading.Event()
    patient = open_gate(quota, max_wait=30, stop=stop)
    raised: list[BaseException] = []
    thread = threading.Thread(target=keep_error, args=[patient.take, raised])
    thread.start()
    stop.set()
    thread.join(10)

    assert [type(error) for error in raised] == [StoppedError]


def keep_error(act: Callable[[], None], raised: list[BaseException]) -> None:
    try:
        act()
    except (StoppedError, QuotaWaitError) as error:
        raised.append(error)


@pytest.mark.parametrize("act", ["take", "pause"])
def test_stop_ends_a_wait_at_once(
    open_gate: OpenGate, shared_conn: Connection, act: str
) -> None:
    stop = threading.Event()
    gate = open_gate(Quota("slow", 1, 20), max_wait=60, stop=stop)
    gate.take()
    raised: list[BaseException] = []
    acts = {"take": gate.take, "pause": lambda: gate.pause(30, "Retry-After")}
    thread = threading.Thread(target=keep_error, args=[acts[act], raised])
    thread.start()
    until(thread.is_alive)
    stop.set()
    thread.join(10)

    assert [type(error) for error in raised] == [StoppedError]
    assert rows(shared_conn, "SELECT sum(used)::int FROM ops.api_quota_usage") == [(1,)]


def test_a_stopped_job_asks_for_nothing_more(open_gate: OpenGate) -> None:
    stop = threading.Event()
    gate = open_gate(Quota("many", 100, 60), stop=stop)
    gate.take()
    stop.set()
    with pytest.raises(StoppedError):
        gate.take()


def test_a_changed_limit_counts_at_once_for_everybody(open_gate: OpenGate) -> None:
    first = open_gate(Quota("hourly", 2, 3600))
    first.take()
    first.take()
    open_gate(Quota("hourly", 4, 3600))
    first.take()
    first.take()
    with pytest.raises(QuotaWaitError):
        first.take()

    open_gate(Quota("hourly", 3, 3600))
    with pytest.raises(QuotaWaitError):
        first.take()


def test_a_renamed_limit_keeps_what_was_used(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    first = open_gate(Quota("daily", 50, 86400), Quota("hourly", 20, 3600))
    for _ in range(20):
        first.take()
    second = open_gate(Quota("hour", 22, 3600), Quota("daily", 50, 86400))
    for _ in range(2):
        second.take()
    # A process of the release before goes on, and its jobs begin beside ours.
    first.learn([Allowance(20, 0, 3600.0)])
    for gate in (first, second, open_gate(Quota("hourly", 22, 3600))):
        with pytest.raises(QuotaWaitError):
            gate.take()

    for table in ("usage", "shares"):
        assert rows(
            shared_conn, f"SELECT name, sum(used) FROM ops.api_quota_{table} GROUP BY 1"
        ) == [("hourly", 22)]


def test_a_limit_of_another_window_or_kind_keeps_nothing(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    open_gate(Quota("short", 20, 60)).take()
    search = Quota("search", 20, 60, kind="search")
    open_gate(search, Quota("hourly", 20, 3600))
    assert rows(shared_conn, "SELECT name FROM ops.api_quota ORDER BY 1") == [
        ("hourly",),
        ("search",),
    ]
    assert rows(shared_conn, "SELECT * FROM ops.api_quota_usage") == []


def test_a_limit_that_another_release_adds_binds_a_running_job(
    open_gate: OpenGate,
) -> None:
    hourly = Quota("hourly", 100, 3600)
    running = open_gate(hourly)
    open_gate(hourly, Quota("daily", 2, 86400))
    running.take()
    running.take()
    with pytest.raises(QuotaWaitError, match="quota daily"):
        running.take()


def test_accounts_do_not_share(open_gate: OpenGate, shared_warehouse: str) -> None:
    open_gate(Quota("hourly", 1, 3600)).take()
    hourly = (Quota("hourly", 1, 3600),)
    stop = threading.Event()
    other = QuotaGate(shared_warehouse, "other", hourly, stop, asker="prospects")
    try:
        other.take()
        with pytest.raises(QuotaWaitError):
            other.take()
    finally:
        other.close()


def test_a_quota_of_one_kind_counts_only_requests_of_it(open_gate: OpenGate) -> None:
    quotas = (Quota("all", 5, 3600), Quota("search", 2, 3600, kind="search"))
    gate = open_gate(*quotas)
    gate.take()
    gate.take("search")
    gate.take("search")
    with pytest.raises(QuotaWaitError):
        gate.take("search")

    gate.take()
    gate.take("read")
    with pytest.raises(QuotaWaitError):  # searches count among all
        gate.take()


def test_a_refused_request_counts_in_no_quota(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    quotas = (Quota("all", 9, 3600), Quota("search", 1, 3600, kind="search"))
    gate = open_gate(*quotas)
    gate.take("search")
    with pytest.raises(QuotaWaitError):
        gate.take("search")

    assert rows(
        shared_conn, "SELECT name, used FROM ops.api_quota_usage ORDER BY name"
    ) == [("all", 1), ("search", 1)]


def test_without_quotas_nothing_is_counted(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    gate = open_gate()
    for _ in range(5):
        gate.take()
    assert rows(shared_conn, "SELECT count(*) FROM ops.api_quota_usage") == [(0,)]


def test_a_long_pause_gives_the_slot_back(open_gate: OpenGate) -> None:
    gate = open_gate(Quota("hourly", 1, 3600))
    with pytest.raises(WaitError, match="Retry-After") as raised:
        gate.pause(90, "Retry-After")
    assert abs((raised.value.resume_at - gate.now()).total_seconds() - 90) < 5


def test_with_a_worker_slot_a_retry_policys_pause_gives_it_back(
    open_gate: OpenGate,
) -> None:
    gate = open_gate(Quota("hourly", 1, 3600), max_wait=5, max_pause=5)
    with pytest.raises(WaitError, match="broken body") as raised:
        gate.pause(30, "broken body")
    assert raised.value.category == "wait"


def test_old_usage_is_removed(open_gate: OpenGate, shared_conn: Connection) -> None:
    gate = open_gate(Quota("hourly", 100, 3600))
    gate.take()
    shared_conn.execute(
        "UPDATE ops.api_quota_usage SET bucket = bucket - interval '3 hours'"
    )
    gate.take()
    assert rows(
        shared_conn,
        "SELECT bucket > now() - interval '2 hours' FROM ops.api_quota_usage",
    ) == [(True,)]


def test_the_gate_tells_the_warehouse_time(
    open_gate: OpenGate, shared_conn: Connection
) -> None:
    gate = open_gate()
    ((before,),) = rows(shared_conn, "SELECT clock_timestamp() - interval '1 second'")
    now = gate.now()
    ((after,),) = rows(shared_conn, "SELECT clock_timestamp() + interval '1 second'")
    assert before < now < after
    assert now.tzinfo is not None
