"""What /metrics tells, to whom, and that all workers count together."""

import os
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from tests.proof.hubspot_sender import EVENTS, PATH, call, deliver, signed
from tests.proof.receiver_process import HUBSPOT, Receiver, Start
from webhook_receiver.backlog import Backlog
from webhook_receiver.callers import demand_reader
from webhook_receiver.refusals import RefusalError
from webhook_receiver.statements import statement

PATIENCE_SECONDS = 60.0
Samples = dict[tuple[str, ...], float]


def samples(receiver: Receiver) -> Samples:
    """Values by name and values of labels, in the order of the labels' names."""
    answer = receiver.get("/metrics")
    assert answer.status == 200, answer.text
    kind = "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Content-Type"] == kind
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text.decode())
        for sample in family.samples
    }


def workers(receiver: Receiver) -> list[int]:
    children = f"/proc/{receiver.process.pid}/task/{receiver.process.pid}/children"
    return [int(pid) for pid in Path(children).read_text().split()]


def test_the_counts_of_all_workers_are_one(receiver: Receiver) -> None:
    for number in range(12):
        assert deliver(receiver.port, b"[%d]" % number).status == 200
    assert deliver(receiver.port, secret="wrong").status == 401
    assert call(receiver.port, "GET", "/canary").status == 404

    # Whichever worker answers knows what the others counted.
    for _ in range(6):
        found = samples(receiver)
        answers = {
            key[1:]: n for key, n in found.items() if key[0].endswith("ers_total")
        }
        assert answers == {
            ("-", "hubspot", "200"): 12,
            ("SIGNATURE_INVALID", "hubspot", "401"): 1,
            ("NOT_FOUND", "-", "404"): 1,
        }
        assert found["crm_webhook_seconds_count", "hubspot"] == 13
        assert found["crm_webhook_seconds_bucket", "+Inf", "hubspot"] == 13
        assert 0 < found["crm_webhook_seconds_sum", "hubspot"] < 13 * 5
        assert found["crm_webhook_body_bytes_total", "hubspot"] == 10 * 3 + 2 * 4
        assert found["crm_webhook_sessions_in_use",] == 0


BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'webhook_receiver'
    AND wait_event_type = 'Lock'
"""


def test_a_worker_that_died_has_counted_and_holds_no_session(
    start: Start, warehouse: str
) -> None:
    receiver = start(warehouse)
    with (
        psycopg.connect(warehouse) as owner,
        psycopg.connect(warehouse, autocommit=True) as watcher,
        ThreadPoolExecutor() as pool,
    ):
        owner.execute("LOCK TABLE staging.webhook_deliveries")
        assert deliver(receiver.port).status == 503
        before = workers(receiver)
        unanswered = pool.submit(deliver, receiver.port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while watcher.execute(BUSY).fetchone() != (1,):
            assert time.monotonic() < deadline
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert isinstance(unanswered.exception(), OSError)
        while len(set(workers(receiver)) - set(before)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    receiver.wait_for("/readyz")
    assert deliver(receiver.port).status == 200

    found = samples(receiver)
    unavailable = ("INBOX_UNAVAILABLE", "hubspot", "503")
    assert found["crm_webhook_answers_total", *unavailable] == 1
    assert found["crm_webhook_answers_total", "-", "hubspot", "200"] == 1
    assert found["crm_webhook_sessions_in_use",] == 0


WAITING = """
WITH waiting AS (
    INSERT INTO staging.webhook_deliveries (
        source_system, received_at, request_id, replay_key, content_type, headers, url,
        body, body_bytes, state
    )
    SELECT
        'hubspot', now() - interval '2 hours', 'r', n, 'text/xml', '{}', '', '', 0,
        CASE n WHEN 1 THEN 'exploded' WHEN 2 THEN 'failed' ELSE 'pending' END
    FROM generate_series(1, 5) AS n
    RETURNING id, state
)
INSERT INTO staging.webhook_events
    (delivery_id, position, source_system, dedupe_key, state)
SELECT w.id, n, 'hubspot', n, CASE n WHEN 1 THEN 'failed' ELSE 'pending' END
FROM waiting AS w, generate_series(1, 3) AS n
WHERE w.state = 'exploded'
"""


def test_what_waits_and_since_when(start: Start, warehouse: str) -> None:
    with psycopg.connect(warehouse) as conn:
        conn.execute(WAITING)
    found = samples(start(warehouse))

    assert found["crm_webhook_inbox_up",] == 1
    counts = {k[1:]: n for k, n in found.items() if k[0] == "crm_webhook_pending"}
    assert counts == {
        ("hubspot", "deliveries"): 3,
        ("hubspot", "events"): 2,
        ("activeprospect", "deliveries"): 0,
        ("activeprospect", "events"): 0,
    }
    assert found["crm_webhook_failed", "hubspot", "deliveries"] == 1
    assert found["crm_webhook_failed", "hubspot", "events"] == 1
    for what in ("deliveries", "events"):
        age = found["crm_webhook_oldest_pending_seconds", "hubspot", what]
        assert 7200 <= age < 7200 + PATIENCE_SECONDS
        assert not found["crm_webhook_oldest_pending_seconds", "activeprospect", what]


def test_the_look_goes_through_indexes_of_what_waits_and_failed_alone(
    warehouse: str,
) -> None:
    """However the table is filled, and without any statistics of it."""
    values = {"sources": ["hubspot", "activeprospect"], "most": 10_000}
    with psycopg.connect(warehouse) as conn:
        conn.execute(WAITING)
        lines = conn.execute(
            b"EXPLAIN " + statement("measure_inbox"), values
        ).fetchall()
    plan = "\n".join(line for (line,) in lines)

    assert "Seq Scan" not in plan
    assert "Sort" not in plan
    used = Counter(re.findall(r"Scan using (\w+)", plan))
    assert used == {
        "webhook_deliveries_pending": 2,
        "webhook_deliveries_failed": 1,
        "webhook_events_pending": 2,
        "webhook_events_failed": 1,
        "webhook_deliveries_pkey": 1,  # of the oldest event's delivery
    }


def test_counts_end_where_nobody_needs_them(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook_receiver.backlog._MOST", 2)
    with psycopg.connect(warehouse) as conn:
        conn.execute(WAITING)
    found = {
        (family.name, sample.labels["what"]): sample.value
        for family in Backlog(warehouse, ["hubspot"]).collect()
        for sample in family.samples
        if sample.labels
    }

    assert found["crm_webhook_pending", "deliveries"] == 2
    assert found["crm_webhook_failed", "deliveries"] == 1


def test_the_guide_names_what_is_told_and_nothing_else(receiver: Receiver) -> None:
    assert deliver(receiver.port).status == 200
    guide = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text("utf-8")
    named = set(re.findall(r"`(crm_webhook_\w+)`", guide))
    text = receiver.get("/metrics").text.decode()
    told = set(re.findall(r"^# TYPE (crm_webhook_\w+) ", text, re.MULTILINE))

    # Told from the first time on.
    assert named - told == {"crm_webhook_no_room_total"}
    assert told - named == set()
    rules = set(re.findall(r"\b(crm_webhook_\w+)", guide)) - named
    assert rules == set()


def test_a_look_serves_all_for_some_seconds(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("webhook_receiver.backlog.time", clock)
    backlog = Backlog(warehouse, ["hubspot"])

    def is_up() -> bool:
        return bool(next(iter(backlog.collect())).samples[0].value)

    assert is_up()
    with psycopg.connect(warehouse) as conn:
        conn.execute("ALTER TABLE staging.webhook_events RENAME TO elsewhere")
    now += 4.9
    assert is_up()
    now += 0.2
    assert not is_up()


def test_an_inbox_that_does_not_answer_is_told(start: Start, warehouse: str) -> None:
    receiver = start(warehouse)
    with psycopg.connect(warehouse) as owner:
        owner.execute("LOCK TABLE staging.webhook_deliveries")
        found = samples(receiver)

    assert found["crm_webhook_inbox_up",] == 0
    assert not [key for key in found if key[0] == "crm_webhook_pending"]
    assert "WARNING webhook_receiver.backlog: metrics: QueryCanceled 57014" in (
        receiver.log
    )


LOOPBACK = ["127.0.0.0/8", "::1"]
OTHERS = ["203.0.113.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("proxies", "networks", "forwarded", "is_allowed"),
    [
        (0, LOOPBACK, None, True),
        # Somebody's proxy that nobody told of: anybody may be behind it.
        (0, LOOPBACK, "127.0.0.1", False),
        (1, LOOPBACK, None, True),
        (1, LOOPBACK, "127.0.0.1", True),
        (1, LOOPBACK, "203.0.113.9", False),
        (1, LOOPBACK, "127.0.0.1, 203.0.113.9", False),
        (1, LOOPBACK, "", False),
        (2, LOOPBACK, "127.0.0.1", False),
        (1, OTHERS, "203.0.113.9", True),
        (1, OTHERS, "2001:db8::1", True),
        (1, OTHERS, None, False),
    ],
)
def test_who_may_read_it(
    proxies: int, networks: list[str], forwarded: str | None, is_allowed: bool
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    may_read = [ip_network(each) for each in networks]
    with Flask("receiver").test_request_context(headers=headers, environ_base=peer):
        if is_allowed:
            demand_reader(may_read, proxies)
        else:
            with pytest.raises(RefusalError) as refused:
                demand_reader(may_read, proxies)
            assert (refused.value.status, refused.value.code) == (
                403,
                "ADDRESS_NOT_ALLOWED",
            )


def test_who_is_not_listed_reads_nothing(start: Start, warehouse: str) -> None:
    receiver = start(warehouse, CRM_WAREHOUSE_METRICS_NETWORKS="10.0.0.7, ::1")
    answer = receiver.get("/metrics")

    assert (answer.status, answer.code) == (403, "ADDRESS_NOT_ALLOWED")


def test_networks_that_are_none_end_the_start(start: Start, warehouse: str) -> None:
    variables = {"CRM_WAREHOUSE_METRICS_NETWORKS": "everywhere"}
    receiver = start(warehouse, ready=False, **variables)

    assert receiver.wait_end() == 1
    assert "CRM_WAREHOUSE_METRICS_NETWORKS must be a list of networks" in receiver.log


def test_nothing_in_it_names_anybody(receiver: Receiver) -> None:
    path = PATH + "?canary=1"
    call(receiver.port, "POST", path, signed() | {"X-Canary": "canary"}, EVENTS)
    call(receiver.port, "GET", "/canary")
    answer = receiver.get("/metrics")

    assert not re.search(rb"canary|127\.0\.0\.1|62515", answer.text)


def test_a_reload_forgets_nothing_and_there_is_no_file(
    start: Start, warehouse: str, tmp_path: Path
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    receiver = start(warehouse, HUBSPOT, TMPDIR=str(place))
    assert deliver(receiver.port).status == 200
    before = set(workers(receiver))
    receiver.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while before & set(workers(receiver)) or len(workers(receiver)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    receiver.wait_for("/readyz")
    assert deliver(receiver.port).status == 200

    answers = "crm_webhook_answers_total", "-", "hubspot", "200"
    assert samples(receiver)[answers] == 2
    # Nothing that could fill a disk, be swept away, or stay behind.
    assert list(place.iterdir()) == []
