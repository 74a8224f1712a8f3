"""What deliveries say of leads is laid over what is known; the newest wins."""

import json
import zlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from engine_load import Connection, Load, at, rows
from test_erasure import places_of

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.job import SyncResult, WebhookRequest
from crm_warehouse.engine.webhooks import merge_webhooks
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source, with_profile

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LEADS = (
    "SELECT l.source_id, l.status, l.value::float, c.first_name, c.email, l.is_deleted"
    " FROM warehouse.leads AS l"
    " LEFT JOIN warehouse.contacts AS c ON c.id = l.contact_id ORDER BY 1"
)
EVENTS = "SELECT object_id, state, reason FROM staging.webhook_events ORDER BY id"
REJECTS = "SELECT error_type, record_data FROM ops.sync_errors WHERE severity = 'error'"
MARK = "Zebedee"
Merge = Callable[[], SyncResult]


@pytest.fixture(scope="session")
def source() -> Source:
    return load_source(default_directory() / "activeprospect.yaml")


@pytest.fixture
def merge(warehouse: str, source: Source) -> Merge:
    return lambda: merging(warehouse, source)


def merging(warehouse: str, source: Source) -> SyncResult:
    def nobody_is_asked(_gate: Any) -> Any:
        raise AssertionError("the source is asked")

    return merge_webhooks(
        WebhookRequest(source, "activeprospect"),
        conninfo=warehouse,
        open_client=nobody_is_asked,
    )


def lead(minute: int = 0, **fields: Any) -> dict[str, Any]:
    """The lead 66a1 as the API shows it, changed so many minutes after noon."""
    return {
        "id": "66a1",
        "outcome": "success",
        "price": 10.5,
        "created": at(-60).isoformat(),
        "updated": at(minute).isoformat(),
        "lead": {"first_name": "Ann", "email": "ann@example.com"},
        **fields,
    }


def polled(
    conn: Connection,
    source: Source,
    *records: Any,
    minute: float = 0,
    entity: str = "leads",
) -> None:
    """Write what a poll read so many minutes after noon."""
    load = Load(conn, source, source.entities["leads"])
    load.write(*records, observed=at(minute))
    load.finish()


def deliver(
    conn: Connection,
    *records: Any,
    minute: float | None = None,
    body: bytes | None = None,
    content_type: str = JSON,
) -> int:
    """Store a delivery as the receiver does, as if it had come then; its number."""
    sent = json.dumps(list(records)).encode() if body is None else body
    moment = at(minute) if minute is not None else None
    [(number,)] = rows(
        conn,
        "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
        " content_type, headers, url, body, body_bytes, received_at) VALUES"
        " ('activeprospect', 'req', gen_random_uuid()::text, %s, '{}',"
        " 'https://x.example/', %s, %s, coalesce(%s, clock_timestamp())) RETURNING id",
        content_type,
        zlib.compress(sent),
        len(sent),
        moment,
    )
    return int(number)


def the_row(conn: Connection) -> tuple[Any, ...]:
    [row] = rows(conn, LEADS)
    return row[1:5]


def raw(conn: Connection) -> Any:
    [(payload,)] = rows(conn, "SELECT payload FROM raw.activeprospect_leads")
    return payload


def test_a_whole_lead_makes_both_its_rows_without_a_question(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, lead())

    result = merge()

    assert (result.records_created, result.requests) == (1, 0)
    assert the_row(conn) == ("success", 10.5, "Ann", "ann@example.com")
    assert raw(conn) == lead()
    assert rows(conn, EVENTS) == [("66a1", "merged", None)]


def test_what_is_not_named_stays_and_what_is_empty_goes(
    conn: Connection, source: Source, merge: Merge
) -> None:
    polled(conn, source, lead())
    said = {"id": "66a1", "updated": at(1).isoformat(), "price": None}
    deliver(conn, said | {"lead": {"first_name": "Bea"}}, minute=1)

    assert merge().records_updated == 1
    assert the_row(conn) == ("success", None, "Bea", "ann@example.com")
    expected = lead(1, price=None)
    expected["lead"]["first_name"] = "Bea"
    assert raw(conn) == expected


@pytest.mark.parametrize(
    ("version", "received", "wins"),
    [
        (1, 9, True),  # newer
        (1, 4, True),  # newer, though it came before the poll asked
        (-1, 9, False),  # older, whenever it comes
        (0, 6, True),  # the same version, observed later
        (0, 4, False),  # the same version, observed earlier
        (None, 6, True),  # no version: by observation
        (None, 4, False),
    ],
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_the_newest_wins(
    conn: Connection,
    source: Source,
    merge: Merge,
    version: int | None,
    received: int,
    wins: bool,
    is_whole: bool,
) -> None:
    polled(conn, source, lead(), minute=5)
    said = lead(outcome="failure")
    if not is_whole:
        said = {"id": "66a1", "outcome": "failure", "updated": ""}
    said["updated"] = at(version).isoformat() if version is not None else None
    said = {key: value for key, value in said.items() if value is not None}
    deliver(conn, said, minute=received)

    result = merge()

    assert (result.records_updated, result.records_unchanged) == (
        int(wins),
        int(not wins),
    )
    assert the_row(conn)[0] == ("failure" if wins else "success")


def test_an_older_fact_says_nothing_to_a_newer_one_of_the_same_merge(
    conn: Connection, source: Source, merge: Merge
) -> None:
    polled(conn, source, lead(5), minute=5)
    old = {"id": "66a1", "outcome": "failure", "updated": at(1).isoformat()}
    new = {"id": "66a1", "price": 99, "updated": at(8).isoformat()}
    deliver(conn, old, new, minute=9)
    deliver(conn, old, minute=9)

    merge()

    assert the_row(conn) == ("success", 99, "Ann", "ann@example.com")


def test_deliveries_count_in_the_order_in_which_they_came(
    conn: Connection, merge: Merge
) -> None:
    """A delivery of a slow transaction has the smaller number, and came later."""
    deliver(conn, lead(outcome="failure"), minute=2)
    deliver(conn, lead(outcome="success"), minute=1)

    merge()

    assert the_row(conn)[0] == "failure"


@pytest.mark.parametrize("is_known", [True, False])
def test_a_poll_that_read_all_of_that_version_meanwhile_is_not_held_to_be_older(
    conn: Connection, source: Source, merge: Merge, is_known: bool
) -> None:
    """The page was read before the delivery came, and is written after its merge."""
    if is_known:
        polled(conn, source, lead(0, status="new"), minute=0)
    part = {"id": "66a1", "outcome": "failure", "updated": at(5).isoformat()}
    deliver(conn, part, minute=7)
    merge()

    polled(conn, source, lead(5, outcome="failure", price=77), minute=6)

    assert the_row(conn) == ("failure", 77, "Ann", "ann@example.com")
    assert raw(conn) == lead(5, outcome="failure", price=77)


def test_the_same_again_changes_nothing_but_when_it_was_seen(
    conn: Connection, source: Source, merge: Merge
) -> None:
    polled(conn, source, lead())
    where = "SELECT xmin::text, ctid::text FROM {} ORDER BY 1"
    tables = "warehouse.leads", "warehouse.contacts"
    before = [rows(conn, where.replace("{}", each)) for each in tables]
    deliver(conn, lead(), minute=3)
    text = b"id=66a1&outcome=success&price=10.50&lead.first_name=Ann&nothing="
    deliver(conn, body=text, content_type=FORM, minute=4)

    result = merge()

    assert (result.records_received, result.records_unchanged) == (2, 1)
    assert [rows(conn, where.replace("{}", each)) for each in tables] == before
    seen = rows(conn, "SELECT payload, fetched_at FROM raw.activeprospect_leads")
    assert seen == [(lead(), at(3))]  # the form does not say all of it


def test_what_was_deleted_comes_back_only_if_it_changed_since(
    conn: Connection, source: Source, merge: Merge
) -> None:
    polled(conn, source, lead())
    load = Load(conn, source, source.entities["leads"])
    load.finish(gone=["66a1"])
    deliver(conn, lead(3, outcome="failure"))

    merge()
    assert [row[5] for row in rows(conn, LEADS)] == [True]

    [(now,)] = rows(conn, "SELECT clock_timestamp()")
    deliver(conn, lead(outcome="failure") | {"updated": now.isoformat()})
    merge()
    assert [(row[1], row[5]) for row in rows(conn, LEADS)] == [("failure", False)]


def test_without_an_id_it_goes_to_quarantine_with_its_data(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, {"outcome": "success"}, lead())

    result = merge()

    assert (result.status, result.records_failed) == ("partial", 1)
    assert rows(conn, REJECTS) == [("missing_id", '{"outcome":"success"}')]
    assert rows(conn, EVENTS) == [(None, "merged", None), ("66a1", "merged", None)]


def test_one_bad_delivery_stops_no_other(conn: Connection, merge: Merge) -> None:
    deliver(conn, body=b"{", content_type=JSON)
    deliver(conn, "no lead", lead())
    deliver(conn, body=b"<lead><id>2</id></lead>", content_type="text/xml")

    assert merge().records_created == 2
    assert rows(conn, "SELECT state FROM staging.webhook_deliveries ORDER BY id") == [
        ("failed",),
        ("exploded",),
        ("exploded",),
    ]
    assert rows(conn, EVENTS) == [
        (None, "failed", "is not an object"),
        ("66a1", "merged", None),
        ("2", "merged", None),
    ]


def test_letters_that_jsonb_refuses_are_kept(conn: Connection, merge: Merge) -> None:
    deliver(conn, lead(lead={"first_name": "A\0nn", "email": "\ud83d"}))

    merge()

    [(stored,)] = rows(conn, "SELECT payload_bytes FROM raw.activeprospect_leads")
    assert json.loads(stored)["lead"] == {"first_name": "A\0nn", "email": "\ud83d"}


def test_more_than_one_batch(
    conn: Connection, merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_warehouse.engine.carried._BATCH", 7)
    monkeypatch.setattr("crm_warehouse.engine.carried._BATCH_BYTES", 400)
    for n in range(10):
        deliver(conn, lead(id=f"a{n}"), lead(id=f"b{n}"))

    result = merge()

    assert (result.records_created, result.records_received) == (20, 20)
    assert rows(conn, "SELECT DISTINCT state FROM staging.webhook_events") == [
        ("merged",)
    ]


def test_rows_and_their_events_are_settled_together(
    conn: Connection, merge: Merge
) -> None:
    deliver(conn, lead())
    conn.execute(
        "ALTER TABLE staging.webhook_events"
        " ADD CONSTRAINT never CHECK (state <> 'merged')"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        merge()
    assert rows(conn, LEADS) == []

    conn.execute("ALTER TABLE staging.webhook_events DROP CONSTRAINT never")
    assert merge().records_created == 1


def test_an_entity_that_is_switched_off_is_left_alone(
    conn: Connection, merge: Merge
) -> None:
    conn.execute(
        "INSERT INTO ops.sync_configurations (name, source_system, entity_type, config,"
        " is_active) VALUES ('x', 'activeprospect', 'leads', '{}', false)"
    )
    deliver(conn, lead())

    merge()

    assert rows(conn, LEADS) == []
    assert [state for _, state, _ in rows(conn, EVENTS)] == ["ignored"]


class TestErased:
    def test_nothing_of_the_person_is_left_and_others_stay(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        deliver(
            conn,
            lead(lead={"first_name": MARK}),
            lead(id="66a2", lead={"first_name": "Bo"}),
        )
        deliver(
            conn,
            body=f"id=66a1&lead.first_name={MARK}".encode(),
            content_type=FORM,
        )
        deliver(
            conn,
            body=f"<d><id>66a1</id><lead><first_name>{MARK}</first_name></lead></d>".encode(),
            content_type="text/xml",
        )
        merge()
        assert "staging.webhook_deliveries.body" in places_of(conn, MARK)

        with conn.transaction():
            asked = Request(
                source.entities["leads"], "activeprospect", ["66a1"], "request", "cli"
            )
            erase(conn, asked)
        counts = redact_inbox(conn, source, "activeprospect", actor="cli")

        assert counts["staging.webhook_deliveries"] == 3
        assert places_of(conn, MARK) == set()
        assert "staging.webhook_deliveries.body" in places_of(conn, "Bo")
        assert redact_inbox(conn, source, "activeprospect", actor="cli") == {
            "staging.webhook_events": 0,
            "staging.webhook_deliveries": 0,
        }

    def test_a_delivery_that_comes_later_is_redacted_and_others_in_it_merge(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        with conn.transaction():
            asked = Request(
                source.entities["leads"], "activeprospect", ["66a1"], "request", "cli"
            )
            erase(conn, asked)
        sent = (
            f"<ds><d><id>66a1</id><lead><first_name>{MARK}</first_name></lead></d>"
            "<d><id>66a2</id><lead><first_name>Bo</first_name></lead></d></ds>"
        )
        deliver(conn, body=sent.encode(), content_type="text/xml")

        merge()

        assert places_of(conn, MARK) == set()
        assert [(row[0], row[3]) for row in rows(conn, LEADS)] == [("66a2", "Bo")]


class TestLeadConduit:
    @pytest.fixture
    def source(self, source: Source) -> Source:
        return with_profile(source, "leadconduit")

    def recorded(self, minute: int = 0) -> dict[str, Any]:
        return {
            "id": "e1",
            "type": "source",
            "outcome": "success",
            "vars": {"lead": {"id": "66a1", "first_name": "Ann"}},
            "end_timestamp": int(at(minute).timestamp() * 1_000),
        }

    def test_a_lead_is_here_before_the_service_has_recorded_it(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        deliver(conn, {"id": "66a1", "lead": {"first_name": "An"}}, minute=1)
        assert merge().records_created == 1
        assert the_row(conn) == (None, None, "An", None)

        polled(conn, source, self.recorded(), minute=2)

        assert the_row(conn) == ("success", None, "Ann", None)
        assert raw(conn) == self.recorded()

    def test_what_is_recorded_is_not_touched_by_a_delivery(
        self, conn: Connection, source: Source, merge: Merge
    ) -> None:
        polled(conn, source, self.recorded(), minute=2)
        said = {"id": "66a1", "outcome": "?", "lead": {"first_name": "An"}}
        deliver(conn, said, minute=3)

        assert merge().records_unchanged == 1
        assert raw(conn) == self.recorded()
