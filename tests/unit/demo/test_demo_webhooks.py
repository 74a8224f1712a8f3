"""The round of webhooks: real sandbox and warehouse; receiver and merge are played."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.types.json import Jsonb

from crm_warehouse.source_files import default_directory, load_source
from include.local_stack import demo_webhooks
from include.local_stack.demo_sandbox import RECEIVER, SANDBOX
from include.local_stack.demo_webhooks import Round, run_round
from include.local_stack.errors import StackError
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

HUBSPOT = load_source(default_directory() / "hubspot.yaml")
_JOB = """
INSERT INTO ops.sync_jobs (
    source_system, entity_type, job_type, via, status, triggered_by,
    records_processed, records_created, records_updated, records_deleted
)
VALUES ('hubspot', 'webhooks', 'webhook', 'webhook', 'success', 'airflow', 7, 4, 2, 1)
"""
_DELIVERY = """
INSERT INTO staging.webhook_deliveries (
    source_system, request_id, replay_key, content_type, headers, url, body, body_bytes
)
VALUES ('hubspot', 'r', gen_random_uuid()::text, 'application/json', '{}', %s, '', 0)
RETURNING id
"""
_EVENT = """
INSERT INTO staging.webhook_events
    (delivery_id, position, source_system, payload, dedupe_key, state, settled_at)
VALUES (%s, 0, 'hubspot', %s, gen_random_uuid()::text, %s, clock_timestamp())
"""


class Inbox(BaseHTTPRequestHandler):
    """Keeps a delivery and calls its events settled."""

    conninfo = ""
    state = "merged"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with psycopg.connect(self.conninfo) as conn:
            row = conn.execute(_DELIVERY, [self.path]).fetchone()
            for event in events:
                conn.execute(_EVENT, [row and row[0], Jsonb(event), self.state])
            conn.execute(_JOB)
        self.send_response(200)
        self.end_headers()


class Api:
    """What is asked of Airflow."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def wait_for_dags(self, dag_ids: list[str], _seconds: float) -> None:
        self.asked.append(("wait", *dag_ids))

    def switch_on(self, dag_id: str) -> None:
        self.asked.append(("on", dag_id))

    def is_deferred(self, dag_id: str, task_id: str) -> bool:
        self.asked.append(("deferred", dag_id, task_id))
        return True


@pytest.fixture
def ports(
    warehouse: str, sandbox: Callable[..., SandboxServer]
) -> Iterator[dict[str, int]]:
    """A sandbox, and a receiver whose events are settled at once."""
    Inbox.conninfo, Inbox.state = warehouse, "merged"
    crm = sandbox(Settings(prospects=60), "hubspot")
    with ThreadingHTTPServer(("127.0.0.1", 0), Inbox) as receiver:
        thread = threading.Thread(
            target=receiver.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        try:
            port = urlsplit(crm.url).port
            assert port
            yield {SANDBOX: port, RECEIVER: receiver.server_port}
        finally:
            crm.admin("DELETE", "/webhooks")
            receiver.shutdown()
            thread.join()


def test_a_round_counts_what_was_sent_and_what_became_of_it(
    warehouse: str, ports: dict[str, int]
) -> None:
    with psycopg.connect(warehouse) as conn:
        conn.execute(_JOB)  # of an earlier round
    api, said = Api(), list[str]()

    found = run_round(api, ports, warehouse, HUBSPOT, said.append)  # type: ignore[arg-type]

    assert found is not None
    assert (found.source, found.sent) == ("hubspot", found.merged)
    assert found.received == found.sent >= 40
    with psycopg.connect(warehouse) as conn:
        jobs = conn.execute("SELECT count(*) - 1 FROM ops.sync_jobs").fetchone()
        urls = conn.execute("SELECT DISTINCT url FROM staging.webhook_deliveries")
        assert urls.fetchall() == [("/api/v1/webhooks/hubspot/",)]
    assert jobs
    assert (found.created, found.updated, found.deleted) == (
        *(4 * jobs[0], 2 * jobs[0], jobs[0]),
    )
    assert 0 < found.seconds < 60
    assert said == [
        "  change 25 contacts",
        "  create 10 contacts",
        "  delete 5 contacts",
        "  change 10 deals",
    ]
    assert api.asked == [
        ("wait", "hubspot__webhooks"),
        ("on", "hubspot__webhooks"),
        ("deferred", "hubspot__webhooks", "wait"),
    ]


def test_a_second_round_counts_only_its_own(
    warehouse: str, ports: dict[str, int]
) -> None:
    rounds: list[Round] = []
    for _ in range(2):
        found = run_round(Api(), ports, warehouse, HUBSPOT, str)  # type: ignore[arg-type]
        assert found
        rounds.append(found)

    for each in rounds:
        assert each.received == each.merged == each.sent


def test_events_that_nobody_merges_are_told(
    warehouse: str, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_webhooks, "_MERGED_SECONDS", 0.0)
    Inbox.state = "pending"

    with pytest.raises(StackError, match=r"Of \d+ webhook events, .* 0 merged after"):
        run_round(Api(), ports, warehouse, HUBSPOT, str)  # type: ignore[arg-type]


def test_without_a_receiver_nothing_is_changed() -> None:
    api, said = Api(), list[str]()

    found = run_round(api, {SANDBOX: 1}, "", HUBSPOT, said.append)  # type: ignore[arg-type]

    assert found is None
    assert said == ["This stack has no receiver, and so no webhooks."]
    assert api.asked == []


def test_a_sandbox_that_is_gone_is_told(warehouse: str) -> None:
    with pytest.raises(StackError, match="The sandbox does not do as told"):
        run_round(Api(), {SANDBOX: 1, RECEIVER: 2}, warehouse, HUBSPOT, str)  # type: ignore[arg-type]
