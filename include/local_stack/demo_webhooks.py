"""Webhooks in the demonstration: from a change in the sandbox to the changed row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from crm_warehouse.spec import Source
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_patience import wait_until
from include.local_stack.demo_sandbox import (
    WEBHOOK_SECRET,
    receiver_url,
    sandbox_url,
)
from include.local_stack.errors import StackError
from include.local_stack.settings import Ports
from include.sandbox.crm import Crm
from include.sandbox.settings import Settings

_LISTENING_SECONDS = 180.0
_MERGED_SECONDS = 120.0
#: Between two looks; the figure shown is the warehouse's own.
_POLL_SECONDS = 0.25
#: What happens in the sandbox of each source, in this order: entity, action, records.
_MOVES = {
    "hubspot": (
        ("contacts", "change", 25),
        ("contacts", "create", 10),
        ("contacts", "delete", 5),
        ("deals", "change", 10),
    ),
    "activeprospect": (("leads", "change", 25), ("leads", "create", 10)),
}
#: Deliveries and jobs that this round begins behind.
_BEFORE = """
SELECT
    clock_timestamp() AS moment,
    (SELECT coalesce(max(id), 0) FROM staging.webhook_deliveries) AS delivery,
    (SELECT coalesce(max(id), 0) FROM ops.sync_jobs) AS job
"""
_ROUND = """
SELECT
    count(*) AS received,
    count(*) FILTER (WHERE e.state = 'merged') AS merged,
    count(*) FILTER (WHERE e.state IN ('ignored', 'failed')) AS others,
    extract(epoch FROM max(e.settled_at) - %(moment)s) AS seconds
FROM staging.webhook_events AS e
WHERE e.source_system = %(source)s AND e.delivery_id > %(delivery)s
"""
_ROWS = """
SELECT
    coalesce(sum(records_created), 0) AS created,
    coalesce(sum(records_updated), 0) AS updated,
    coalesce(sum(records_deleted), 0) AS deleted
FROM ops.sync_jobs
WHERE source_system = %(source)s AND job_type = 'webhook' AND id > %(job)s
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the webhooks of one source.

    Attributes:
        source: Its name.
        sent: Events that the sandbox sent.
        received: Events in the inbox.
        merged: Those of them that were merged.
        created: New rows.
        updated: Changed rows.
        deleted: Rows marked deleted.
        seconds: From before the first change until the last row was visible.
    """

    source: str
    sent: int
    received: int
    merged: int
    created: int
    updated: int
    deleted: int
    seconds: float


def run_round(
    api: DemoApi, ports: Ports, conninfo: str, source: Source, say: Callable[[str], Any]
) -> Round | None:
    """Change records in the sandbox and wait until their rows have changed.

    Args:
        api: Airflow, whose DAG is switched on.
        ports: The stack's.
        conninfo: The warehouse.
        source: One that has webhooks.
        say: Tells a line.

    Returns:
        None where the stack has no receiver.

    Raises:
        StackError: They have not in time, or sandbox or Airflow refuse.
    """
    receiver = receiver_url(ports)
    if receiver is None:
        say("This stack has no receiver, and so no webhooks.")
        return None
    dag_id = f"{source.name}__webhooks"
    api.wait_for_dags([dag_id], _LISTENING_SECONDS)
    api.switch_on(dag_id)
    _wait_until_listening(api, dag_id)
    before = _row(conninfo, _BEFORE, {})
    values = {**before, "source": source.name}
    target = f"{receiver}/api/v1/webhooks/{source.name}/"
    with requests.Session() as http:
        # Proxies of the environment must not come between us and loopback.
        http.trust_env = False
        crm = Crm(Settings(), source.name, http, sandbox_url(ports))
        try:
            sent = _move(crm, target, say)
            found = _wait_until_merged(conninfo, values, sent, crm)
        except (ValueError, requests.RequestException) as error:
            raise StackError(f"The sandbox does not do as told: {error}") from error
    rows = _row(conninfo, _ROWS, values)
    return Round(
        source.name,
        sent,
        found["received"],
        found["merged"],
        rows["created"],
        rows["updated"],
        rows["deleted"],
        float(found["seconds"]),
    )


def _move(crm: Crm, target: str, say: Callable[[str], Any]) -> int:
    """Change records, with webhooks to the target; returns how many events."""
    crm.admin("POST", "/webhooks", {"target": target, "secret": WEBHOOK_SECRET})
    earlier = crm.admin("GET", "/webhooks")["delivered"]
    for entity, action, count in _MOVES[crm.system]:
        say(f"  {action} {count} {entity}")
        crm.move(entity, action, count)
    state = crm.admin("GET", "/webhooks")
    return int(state["queued"] + state["delivered"] - earlier)


def _wait_until_listening(api: DemoApi, dag_id: str) -> None:
    wait_until(
        lambda: api.is_deferred(dag_id, "wait"),
        _LISTENING_SECONDS,
        lambda: (
            f"{dag_id} does not wait for webhooks after {_LISTENING_SECONDS:.0f} s; "
            "see its page in Airflow."
        ),
        _POLL_SECONDS,
    )


def _wait_until_merged(
    conninfo: str, values: dict[str, Any], sent: int, crm: Crm
) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def done() -> bool:
        nonlocal found
        found = _row(conninfo, _ROUND, values)
        return bool(found["merged"] + found["others"] >= sent)

    def late() -> str:
        return (
            f"Of {sent} webhook events, {found['received']} are in the inbox and "
            f"{found['merged']} merged after {_MERGED_SECONDS:.0f} s. The sandbox says "
            f"{crm.admin('GET', '/webhooks')}; see `make logs`."
        )

    wait_until(done, _MERGED_SECONDS, late, _POLL_SECONDS)
    return found


def _row(conninfo: str, query: str, values: dict[str, Any]) -> dict[str, Any]:
    with psycopg.connect(conninfo, row_factory=dict_row) as conn:
        row = conn.execute(query, values).fetchone()
    assert row is not None  # noqa: S101 - sums return one row
    return row
