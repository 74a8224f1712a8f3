"""From a webhook's 200 to its row: ``python -m tests.proof.webhook_latency``.

A whole stack, HubSpot loaded, its own sender of webhooks off. One contact after the
other is changed in the CRM and announced by a signed event of ours; a session of its
own looks every 20 ms whether the row in the warehouse has what was written. Events come
once at random moments, seconds apart, so that each meets the waiting DAG in another
phase, and once every second, so that they come while others are being merged. Then
10,000 events about half as many contacts come at once, in deliveries of a hundred.
"""

import argparse
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from include.local_stack.demo_sandbox import WEBHOOK_SECRET, receiver_url
from include.local_stack.errors import StackError
from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.hubspot_sender import PATH, deliver, now_ms
from tests.proof.oracle import compare_all, truth_rows
from tests.proof.receiver_load import percentile
from tests.proof.report import Report
from tests.proof.stack_house import StackHouse, stack_house
from tests.proof.webhook_stages import DAG_ID, runs_of, stages

#: Seconds to a row that half and 95 of 100 single events may take, and a burst.
_P50, _P95, _BURST = 3.0, 6.0, 30.0
#: Mean seconds between two events: at random moments, and in step.
_SPREAD, _STEP = 3.0, 1.0
_LOOK_SECONDS = 0.02
_BATCH = 100
_CONNECTIONS = 4
#: A HubSpot with about 6,000 contacts.
_PROSPECTS = 9_000
_LOAD_SECONDS = 300.0
_LATE_SECONDS = 120.0
_HELD = """
SELECT source_id, address FROM warehouse.contacts
WHERE source_system = 'hubspot' AND source_id = ANY(%s)
"""
_STAMPED = """
SELECT count(*) FROM warehouse.contacts
WHERE source_system = 'hubspot' AND source_id = ANY(%s) AND source_updated_at = %s
"""
_PENDING = """
SELECT (SELECT count(*) FROM staging.webhook_events WHERE state = 'pending')
    + (SELECT count(*) FROM staging.webhook_deliveries WHERE state = 'pending')
"""
_event_ids = itertools.count(1)


class Watch:
    """Looks for what was written until it is in the warehouse.

    Args:
        conninfo: The warehouse.

    Attributes:
        seen: Of each event, when it was acknowledged and when its row was there.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}
        self._done = threading.Event()
        self.seen: list[tuple[float, float]] = []

    def expect(self, source_id: str, address: str, acknowledged: float) -> None:
        """Look for this from now on."""
        with self._lock:
            self._open[source_id] = (address, acknowledged)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look, in a thread, until all has been found.

        Raises:
            StackError: Some was not.
        """
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
            deadline = time.monotonic() + _LATE_SECONDS
            while self._open and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
        finally:
            self._done.set()
            thread.join()
        if self._open:
            raise StackError(f"{len(self._open)} events were never merged")

    def _run(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as conn:
            while not self._done.wait(_LOOK_SECONDS):
                with self._lock:
                    waiting = dict(self._open)
                held = conn.execute(_HELD, [list(waiting)]).fetchall()
                now = time.time()
                for source_id, address in held:
                    expected, acknowledged = waiting[source_id]
                    if address == expected:
                        self.seen.append((acknowledged, now))
                        with self._lock:
                            del self._open[source_id]


def prove(events: int, burst: int, report: Report) -> None:
    """Run it.

    Raises:
        StackError: What must come to pass does not.
    """
    with stack_house(_PROSPECTS) as house:
        _load(house)
        known = [
            str(row["source_id"])
            for row in truth_rows(house.crms["hubspot"], "contacts", "contacts")
        ]
        random.Random(7).shuffle(known)
        fresh = iter(known)
        _singles(house, "at random moments", events, fresh, report)
        _singles(house, "every second", events, fresh, report)
        _all_at_once(house, burst, report)
        if found := compare_all(house.conninfo, house.crms["hubspot"], "contacts"):
            report.fail([f"hubspot.contacts: {found}"])


def _load(house: StackHouse) -> None:
    """Load HubSpot's contacts, and let Airflow wait for webhooks."""
    house.start("hubspot__contacts", "latency__begin", {"mode": "full"})
    house.until(lambda: house.ended("latency__begin"), _LOAD_SECONDS, "the load", 1.0)
    house.api.wait_for_dags([DAG_ID], _LOAD_SECONDS)
    house.api.switch_on(DAG_ID)
    house.until(
        lambda: bool(
            house.airflow_rows(
                "SELECT 1 FROM task_instance WHERE dag_id = %s AND state = 'deferred'",
                DAG_ID,
            )
        ),
        _LATE_SECONDS,
        f"{DAG_ID} waiting",
    )


def _singles(
    house: StackHouse, way: str, count: int, ids: Iterator[str], report: Report
) -> None:
    """Events one by one, each about a contact of its own."""
    crm, rng = house.crms["hubspot"], random.Random(11)
    watch = Watch(house.conninfo)
    due = time.monotonic()
    with watch.looking():
        for source_id in itertools.islice(ids, count):
            is_random = way == "at random moments"
            due += rng.expovariate(1 / _SPREAD) if is_random else _STEP
            time.sleep(max(0.0, due - time.monotonic()))
            address = f"{next(_event_ids)} Latency Lane"
            call = {"id": source_id, "properties": {"address": address}}
            crm.admin("POST", "/contacts/write", call)
            _post(house, [_event(source_id, "address", address)])
            watch.expect(source_id, address, time.time())
    took = [merged - acknowledged for acknowledged, merged in watch.seen]
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    parts = stages(runs_of(house), watch.seen)
    report.add(
        {
            "events": f"{count:,} {way}",
            "p50 s": round(p50, 2),
            "p95 s": round(p95, 2),
            "longest s": round(max(took), 2),
            **{name: round(seconds, 2) for name, seconds in parts.items()},
        }
    )
    if p50 > _P50 or p95 > _P95:
        report.fail([f"{way}: more than {_P50} s for half, or {_P95} s for 95 of 100"])


def _all_at_once(house: StackHouse, count: int, report: Report) -> None:
    """Events that all come at once, two about each contact."""
    crm = house.crms["hubspot"]
    # Later than any change before it: a row that has a newer one keeps that.
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    time.sleep((at - datetime.now(UTC)).total_seconds())
    call = {"count": count // 2, "at": at.isoformat()}
    stamped = [str(each) for each in crm.admin("POST", "/contacts/stamp", call)["ids"]]
    known = {row["source_id"] for row in truth_rows(crm, "contacts", "contacts")}
    expected = sorted(known.intersection(stamped))
    events = [
        _event(source_id, name, "x")
        for name in ("address", "city")
        for source_id in stamped
    ]
    bodies = [events[at : at + _BATCH] for at in range(0, len(events), _BATCH)]
    began = time.monotonic()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(lambda body: _post(house, body), bodies))
    posted = time.monotonic() - began
    with closing(psycopg.connect(house.conninfo, autocommit=True)) as conn:

        def merged() -> bool:
            (rows,) = conn.execute(_STAMPED, [expected, at]).fetchone() or (0,)
            (left,) = conn.execute(_PENDING).fetchone() or (0,)
            return bool(rows == len(expected) and left == 0)

        house.until(merged, 4 * _BURST, "the end of the burst", 0.1)
    took = time.monotonic() - began
    report.add(
        {
            "events": f"{len(events):,} at once",
            "p50 s": "",
            "p95 s": "",
            "longest s": f"{took:.1f}, posted in {posted:.1f}",
        }
    )
    if took > _BURST:
        report.fail([f"a burst of {len(events):,} took {took:.1f} s"])


def _event(source_id: str, name: str, value: str) -> dict[str, Any]:
    return {
        "eventId": next(_event_ids),
        "subscriptionId": 25,
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "occurredAt": now_ms(),
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": 0,
        "objectId": int(source_id),
        "propertyName": name,
        "propertyValue": value,
    }


def _post(house: StackHouse, events: list[dict[str, Any]]) -> None:
    """Deliver, as HubSpot does.

    Raises:
        StackError: It was not acknowledged.
    """
    ports = house.stack.state().ports
    url = f"{receiver_url(ports)}{PATH}"
    body = json.dumps(events).encode()
    answer = deliver(ports["receiver"], body, url=url, secret=WEBHOOK_SECRET)
    if answer.status != 200:
        raise StackError(f"the receiver answered {answer.status}: {answer.code}")


def main() -> None:
    """Run it.

    Raises:
        SystemExit: A target was missed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--burst", type=int, default=10_000)
    words = parser.parse_args()
    report = Report("webhook_latency", "From a webhook's 200 to its row")
    try:
        prove(words.events, words.burst, report)
    except StackError as error:
        report.fail(str(error).splitlines())
    report.end()


if __name__ == "__main__":
    main()
