"""A source that is down is left alone, and one probe finds out that it is back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, connect
from psycopg.rows import dict_row

from crm_warehouse.engine import breaker as module
from crm_warehouse.engine.breaker import MOST_FAILURES, Breaker, Refusal
from crm_warehouse.spec import Source

Open = Callable[[str], Breaker]
DEADLINE_SECONDS = 60.0
ROW = "SELECT * FROM ops.circuit_breakers"
AUDIT = "SELECT action, object_id, details FROM ops.audit_log WHERE action ~ 'breaker'"
#: The pause is over, and the time in which those that failed let others go first.
DUE = "UPDATE ops.circuit_breakers SET retry_at = clock_timestamp() - interval '1 min'"


def rows(conn: Connection, statement: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode()).fetchall()


@pytest.fixture
def breaker_of(conn: Connection, genius: Source) -> Open:
    """The breaker as the job of an entity has it."""
    return lambda entity: Breaker(conn, genius, "genius", entity)


@pytest.fixture
def state(conn: Connection) -> Callable[[], dict[str, Any]]:
    return lambda: rows(conn, ROW)[0]


def take_down(*breakers: Breaker, failures: int = MOST_FAILURES) -> None:
    for number in range(failures):
        breakers[number % len(breakers)].failed("status 503")


def test_nothing_is_written_while_all_is_well(breaker_of: Open, conn: Connection):
    breaker = breaker_of("prospects")

    for _ in range(100):
        assert breaker.look() is None
        assert breaker.enter() is None
        breaker.answered()

    assert rows(conn, ROW) == []


def test_a_healthy_request_asks_the_warehouse_nothing(genius: Source):
    conn = _Asked()
    breaker = Breaker(conn, genius, "genius", "prospects")  # type: ignore[arg-type]

    for _ in range(1000):
        breaker.look()
        breaker.enter()
        breaker.answered()

    assert conn.times <= 3  # at the start, and every five seconds of a slow machine


class _Asked:
    """A connection to a warehouse without breakers."""

    times = 0

    def cursor(self, **_: Any) -> Any:
        self.times += 1
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, *_: object) -> Any:
        return self

    def fetchone(self) -> None:
        return None


def test_it_opens_after_failures_of_two_entities(breaker_of: Open, state):
    prospects, leads = breaker_of("prospects"), breaker_of("leads")
    take_down(prospects, leads, failures=MOST_FAILURES - 1)
    assert state()["state"] == "closed"
    assert prospects.look() is None

    leads.failed("status 502")

    refusal = breaker_of("users").look()
    assert refusal is not None
    assert 20 < refusal.seconds <= 30
    assert refusal.reason == "genius does not answer (status 502, 8 times in a row)"
    assert state()["failing_entities"] == ["prospects", "leads"]


def test_one_broken_entity_never_opens_it(breaker_of: Open, state):
    prospects = breaker_of("prospects")

    take_down(prospects, failures=100)

    assert (state()["state"], state()["failures"]) == ("closed", 100)
    assert prospects.look() is None


def test_the_only_entity_of_a_source_opens_it_alone(
    conn: Connection, genius: Source, state
):
    alone = replace(genius, entities={"users": genius.entities["users"]})

    take_down(Breaker(conn, alone, "genius", "users"))

    assert state()["state"] == "open"


def test_an_answer_begins_the_count_anew(breaker_of: Open, state):
    prospects, leads = breaker_of("prospects"), breaker_of("leads")
    take_down(prospects, leads, failures=MOST_FAILURES - 1)

    leads.answered()
    take_down(prospects, leads, failures=MOST_FAILURES - 1)

    assert (state()["state"], state()["failures"]) == ("closed", MOST_FAILURES - 1)


def test_a_healthy_job_hears_of_failures_and_contradicts(
    breaker_of: Open, state, monkeypatch
):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    prospects, leads, users = map(breaker_of, ("prospects", "leads", "users"))
    users.look()
    users.answered()
    take_down(prospects, leads, failures=MOST_FAILURES - 1)

    users.look()
    users.answered()

    assert state()["failures"] == 0


def test_who_was_answered_after_the_last_failure_closes_it(
    breaker_of: Open, state, monkeypatch
):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    users = breaker_of("users")
    users.look()
    take_down(breaker_of("prospects"), breaker_of("leads"))
    users.answered()  # an answer on its way, of which nobody knew

    assert users.look() is None
    assert state()["state"] == "closed"


def test_a_job_that_begins_later_does_not_ask(breaker_of: Open):
    take_down(breaker_of("prospects"), breaker_of("leads"))

    assert breaker_of("users").look() is not None


def test_exactly_one_of_many_probes(
    warehouse: str, conn: Connection, genius: Source, breaker_of: Open, state
):
    take_down(breaker_of("prospects"), breaker_of("leads"))
    conn.execute(DUE)
    names = [f"entity_{n}" for n in range(8)]
    start = threading.Barrier(len(names), timeout=DEADLINE_SECONDS)

    def probe(name: str) -> tuple[Refusal | None, Refusal | None]:
        with connect(warehouse) as own:
            breaker = Breaker(own, genius, "genius", name)
            looked = breaker.look()  # the pause is over
            start.wait()
            return looked, breaker.enter()

    with ThreadPoolExecutor(len(names)) as threads:
        answers = dict(zip(names, threads.map(probe, names), strict=True))

    assert {looked for looked, _ in answers.values()} == {None}
    allowed = [name for name, (_, entered) in answers.items() if entered is None]
    assert len(allowed) == 1
    assert (state()["state"], state()["probed_by"]) == ("half_open", allowed[0])


def test_while_one_probes_the_others_look_again_soon(
    breaker_of: Open, conn: Connection
):
    take_down(breaker_of("prospects"), breaker_of("leads"))
    conn.execute(DUE)
    users, leads = breaker_of("users"), breaker_of("leads")
    assert (users.look(), users.enter()) == (None, None)

    refusal = leads.look()

    assert refusal is not None
    assert refusal.seconds == 10


def test_a_probe_that_is_answered_closes_it_for_everybody(
    breaker_of: Open, conn: Connection, state
):
    prospects, leads = breaker_of("prospects"), breaker_of("leads")
    take_down(prospects, leads)
    conn.execute(DUE)
    assert (leads.look(), leads.enter()) == (None, None)

    leads.answered()

    assert prospects.look() is None
    assert prospects.enter() is None
    assert state()["state"] == "closed"
    assert rows(conn, AUDIT) == [
        {
            "action": f"breaker.{action}",
            "object_id": "genius",
            "details": {
                "reason": "status 503",
                "failures": MOST_FAILURES,
                "entity_type": "leads",
            },
        }
        for action in ("opened", "closed")
    ]


def test_probes_that_fail_double_the_pause_up_to_a_quarter_of_an_hour(
    breaker_of: Open, conn: Connection, state
):
    probers = breaker_of("prospects"), breaker_of("leads")
    take_down(*probers)
    pauses = []
    for number in range(7):
        pauses.append(state()["pause_seconds"])
        conn.execute(DUE)
        prober = probers[number % 2]
        assert (prober.look(), prober.enter()) == (None, None)
        prober.failed("no answer came in time")

    assert pauses == [30, 60, 120, 240, 480, 900, 900]
    assert len(rows(conn, AUDIT)) == 1  # it opened once


def test_requests_under_way_when_it_opened_do_not_lengthen_the_pause(
    breaker_of: Open, state
):
    prospects, leads = breaker_of("prospects"), breaker_of("leads")
    take_down(prospects, leads)
    before = state()

    leads.failed("status 503")

    after = state()
    assert after["failures"] == MOST_FAILURES + 1
    assert (after["retry_at"], after["pause_seconds"]) == (before["retry_at"], 30)


def test_those_that_failed_let_a_healthy_one_go_first(
    breaker_of: Open, conn: Connection
):
    """Only they may be broken, whoever of them probed last."""
    prospects, leads, users = map(breaker_of, ("prospects", "leads", "users"))
    take_down(prospects, leads)
    conn.execute(DUE)
    assert (leads.look(), leads.enter()) == (None, None)
    leads.failed("status 503")
    conn.execute("UPDATE ops.circuit_breakers SET retry_at = clock_timestamp()")

    for broken in (prospects, leads):
        refusal = broken.look()
        assert refusal is not None
        assert 5 < refusal.seconds < 15
    assert (users.look(), users.enter()) == (None, None)


def test_a_wait_is_never_so_short_that_a_job_only_looks(
    breaker_of: Open, conn: Connection, monkeypatch
):
    monkeypatch.setattr(module, "_PROBE_SECONDS", 0.0)
    take_down(breaker_of("prospects"), breaker_of("leads"))
    conn.execute(DUE)
    users, divisions = breaker_of("users"), breaker_of("divisions")
    assert (users.look(), users.enter()) == (None, None)

    refusal = divisions.look()

    assert refusal is not None
    assert refusal.seconds == 1


def test_a_probe_of_a_killed_process_is_taken_over(breaker_of: Open, conn: Connection):
    take_down(breaker_of("prospects"), breaker_of("leads"))
    conn.execute(DUE)
    killed, heir = breaker_of("leads"), breaker_of("prospects")
    assert (killed.look(), killed.enter()) == (None, None)
    (row,) = rows(conn, f"SELECT retry_at - clock_timestamp() AS lease FROM ({ROW}) b")
    assert 30 < row["lease"].total_seconds() <= 60
    assert heir.look() is not None

    conn.execute(DUE)  # the lease is over

    assert (heir.look(), heir.enter()) == (None, None)
