"""A flood of events about a few records: read once, settled a few at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm, contact, deliver, event

from crm_warehouse.engine import webhooks
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source

#: Events of each transaction that settled some, in their order.
SETTLED = (
    "SELECT count(*) FROM staging.webhook_events WHERE state = 'merged'"
    " GROUP BY xmin ORDER BY min(id)"
)
STATES = "SELECT DISTINCT object_id, state, is_gone FROM staging.webhook_events"
MOMENTS = "SELECT count(DISTINCT settled_at) FROM staging.webhook_events"
Merge = Callable[[], SyncResult]


@pytest.fixture
def crm() -> ScriptedCrm:
    return ScriptedCrm({"contacts": {"1": contact(1, "Ann")}})


@pytest.fixture
def merge(warehouse: str, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch) -> Merge:
    monkeypatch.setattr(webhooks, "_BATCH", 4)
    monkeypatch.setattr(webhooks, "_SETTLED", 3)
    monkeypatch.setattr(webhooks, "_REST", 6)
    source = replace(load_source(default_directory() / "hubspot.yaml"), quotas=())
    return lambda: merge_webhooks(
        WebhookRequest(source, "hubspot"),
        conninfo=warehouse,
        open_client=crm.open_client,
    )


@pytest.mark.parametrize("number", [1, 2], ids=["there", "gone"])
def test_the_transaction_that_merges_settles_only_what_was_looked_at(
    conn: Connection, merge: Merge, crm: ScriptedCrm, number: int
) -> None:
    deliver(conn, *(event(number, number=n) for n in range(15)))

    assert merge().requests == 1

    assert crm.asked == [("contacts", [str(number)])]
    assert rows(conn, SETTLED) == [(4,), (3,), (3,), (3,), (2,)]
    assert rows(conn, STATES) == [(str(number), "merged", number == 2)]
    assert rows(conn, MOMENTS) == [(1,)]  # what is found holds from then on


def test_what_a_kill_left_over_is_read_again(
    conn: Connection, merge: Merge, crm: ScriptedCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(conn, *(event(1, number=n) for n in range(15)))
    with monkeypatch.context() as patch:
        patch.setattr(webhooks._WebhookRun, "_settle_rest", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            merge()
    assert rows(conn, SETTLED) == [(4,)]

    merge()

    assert len(crm.asked) == 2
    assert rows(conn, STATES) == [("1", "merged", False)]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
