"""An event that comes again, signed anew, where it was set aside before."""

from engine_load import Connection, rows
from scripted_crm import deliver, event
from test_erasure import erasing
from test_inbox_care import OURS, Merge, crm, drop, hubspot, merge

from crm_warehouse.spec import Source

__all__ = ["crm", "hubspot", "merge"]

EVENTS = "SELECT object_id, state, reason FROM staging.webhook_events ORDER BY id"
ROWS = "SELECT id, ctid::text FROM staging.webhook_events"
OTHER = "is of another portalId than the connection's"


def test_one_that_failed_for_a_wrong_setting_is_judged_anew(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, event(1))
    merge(portal_id="1")
    assert rows(conn, EVENTS) == [("1", "failed", OTHER)]

    # It may even come twice at once.
    deliver(conn, event(1, attemptNumber=1), event(1, attemptNumber=2))

    assert merge(portal_id=OURS).records_created == 1
    assert rows(conn, EVENTS) == [("1", "merged", None)]


def test_while_the_setting_is_wrong_its_row_is_as_it_was(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, event(1))
    merge(portal_id="1")
    before = rows(conn, ROWS + " WHERE state = 'failed' AND settled_at IS NOT NULL")

    deliver(conn, event(1, attemptNumber=1))
    merge(portal_id="1")

    assert rows(conn, ROWS) == before


def test_one_that_a_person_discarded_stays_discarded(
    conn: Connection, merge: Merge, hubspot: Source
) -> None:
    deliver(conn, event(1))
    merge(portal_id="1")
    drop(conn, hubspot)

    deliver(conn, event(1, attemptNumber=1))

    assert merge().records_received == 0
    assert [state for _, state, _ in rows(conn, EVENTS)] == ["discarded"]


def test_one_whose_values_were_taken_out_stays_failed(
    conn: Connection, merge: Merge, hubspot: Source
) -> None:
    deliver(conn, event(1))
    merge(portal_id="1")
    erasing(conn, hubspot, "1")

    deliver(conn, event(1, attemptNumber=1))

    assert merge().records_received == 0
    assert rows(conn, EVENTS) == [("1", "failed", OTHER)]


def test_events_are_numbered_in_the_order_in_which_they_came(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, *(event(n, "ticket.creation", number=n) for n in range(50)))

    merge()

    positions = rows(conn, "SELECT position FROM staging.webhook_events ORDER BY id")
    assert positions == [(n,) for n in range(50)]
