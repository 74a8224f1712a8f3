"""Webhooks that never came, that nobody merged, and what is kept of them."""

import json
import zlib
from typing import Any

import psycopg
import pytest
from psycopg import sql

from crm_warehouse.connections.webhooks import WebhookOwner
from crm_warehouse.engine import due, retention, webhook_gaps
from crm_warehouse.engine.maintenance import Act, MaintenanceRequest, Report, maintain
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.recovery import Access
from tests.proof.house import House, Open
from tests.proof.oracle import compare_all

STORE = (
    "INSERT INTO staging.webhook_deliveries (source_system, request_id, replay_key,"
    " content_type, headers, url, body, body_bytes) VALUES ('hubspot', 'req',"
    " gen_random_uuid()::text, 'application/json', '{}', 'https://x.example/', %s, %s)"
)
KINDS = {"create": "creation", "change": "propertyChange", "delete": "deletion"}
GAPS = (
    "SELECT entity_type, sum(created) AS created, sum(changed) AS changed,"
    " sum(deleted) AS deleted FROM ops.webhook_gaps GROUP BY 1"
    " HAVING sum(created + changed + deleted) > 0"
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks are given no time, so that tests wait for nothing."""
    monkeypatch.setattr(webhook_gaps, "TOLERANCE_SECONDS", 0.0)
    monkeypatch.setattr(due, "OVERDUE_AFTER_SECONDS", 0.0)


@pytest.fixture
def house(open_house: Open) -> House:
    """HubSpot, loaded, and announcing its contacts: one of each kind has come."""
    house = open_house("hubspot")
    house.sync("contacts", "full")
    for action in KINDS:
        announce(house, action, house.sandbox.move("contacts", action, 1))
    house.merge_webhooks()
    assert heal(house).failed is False
    return house


def announce(house: House, action: str, ids: list[Any]) -> None:
    """What the receiver does with one signed POST."""
    events = [
        {
            "eventId": int(record_id),
            "subscriptionId": 1,
            "portalId": 1,
            "appId": 1,
            "occurredAt": 1_767_225_600_000 + number,
            "subscriptionType": f"contact.{KINDS[action]}",
            "attemptNumber": 0,
            "objectId": int(record_id),
        }
        for number, record_id in enumerate(ids)
    ]
    body = json.dumps(events).encode()
    house.rows(STORE, zlib.compress(body), len(body))


def heal(house: House, *, in_place: bool = False) -> Report:
    def access_of(_: Any) -> Access:
        return Access(
            house.source,
            lambda _: house.open_client,
            WebhookOwner(portal_id=None, app_id=None),
        )

    return maintain(
        MaintenanceRequest([house.source]),
        conninfo=house.conninfo,
        access_of=access_of if in_place else None,
    )


def act(report: Report, name: str) -> Act:
    [found] = [each for each in report.acts if each.act == name]
    assert found.error is None
    return found


def gaps(house: House) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in house.rows(GAPS)]


def full_loads(report: Report) -> list[str]:
    return [each.entity for each in report.due if each.mode == "full"]


def plan_nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's node and all below it."""
    return [
        plan,
        *(node for each in plan.get("Plans", []) for node in plan_nodes(each)),
    ]


def events_read(plan: dict[str, Any]) -> float:
    """Rows of the inbox that a plan touched."""
    own = 0.0
    if plan.get("Relation Name") == "webhook_events":
        rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        own = rows * plan["Actual Loops"]
    return own + sum(map(events_read, plan.get("Plans", [])))


class TestLost:
    def test_what_was_announced_is_not_missed(self, house: House) -> None:
        for action in KINDS:
            announce(house, action, house.sandbox.move("contacts", action, 3))
        house.sync("contacts")
        house.merge_webhooks()
        house.sync("contacts", "full")

        assert full_loads(heal(house)) == []
        assert gaps(house) == []

    def test_lost_events_are_counted_and_a_full_load_closes_the_gap(
        self, house: House
    ) -> None:
        announce(house, "change", house.sandbox.move("contacts", "change", 5))
        house.merge_webhooks()
        house.sandbox.move("contacts", "create", 4)
        house.sandbox.move("contacts", "change", 3)
        house.sandbox.move("contacts", "delete", 2)
        house.sync("contacts")
        assert compare_all(house.conninfo, house.sandbox, "contacts") != {}

        report = heal(house, in_place=True)

        assert act(report, "measure_webhooks").details == {
            "contacts": {"created": 4, "changed": 3, "deleted": 0}
        }
        assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
        later = heal(house)
        # No full load had been made since deletions are announced: they may be older.
        assert gaps(house) == [("contacts", 4, 3, 0)]
        assert full_loads(later) == []  # once a day, at most

    def test_measuring_reads_no_more_events_than_needed(self, house: House) -> None:
        """The first of each type, and those of the records that were loaded."""
        ids = house.sandbox.move("contacts", "change", 50)
        announce(house, "change", ids)
        house.merge_webhooks()
        heal(house)
        values = {
            **{"source_system": "hubspot", "entity_type": "contacts"},
            **{"tolerance": 0.0, "created": r"\.creation$", "deleted": r"\.deletion$"},
            "changed": r"\.propertyChange$",
        }
        measure = query("measure_webhooks", table=sql.Identifier("contacts"))
        with psycopg.connect(house.conninfo, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE staging.webhook_events")
            conn.execute("SET enable_seqscan = off")  # the table here is small
            explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + measure.as_bytes(conn)
            row = conn.execute(explain, values).fetchone()

        assert row is not None
        assert events_read(row[0][0]["Plan"]) <= 10

    def test_a_gap_is_asked_for_once(self, house: House) -> None:
        house.sandbox.move("contacts", "create", 1)
        house.sync("contacts")

        assert full_loads(heal(house)) == ["contacts"]
        assert full_loads(heal(house)) == []

    def test_a_full_load_since_then_closes_it_too(self, house: House) -> None:
        house.sandbox.move("contacts", "create", 1)
        house.sync("contacts")
        heal(house)
        house.sync("contacts", "full")
        house.rows("UPDATE ops.webhook_gaps SET full_load_asked_at = NULL")

        assert full_loads(heal(house)) == []

    def test_deletions_that_no_event_announced_are_counted(self, house: House) -> None:
        house.sync("contacts", "full")
        heal(house)
        house.sandbox.move("contacts", "delete", 2)
        house.sync("contacts", "full")
        heal(house)

        assert gaps(house) == [("contacts", 0, 0, 2)]

    def test_changes_that_are_not_subscribed_to_are_not_missed(
        self, house: House
    ) -> None:
        house.sandbox.move("contacts", "change", 30)
        house.sync("contacts")

        assert full_loads(heal(house)) == []
        assert gaps(house) == []

    def test_changes_of_an_outage_are_missed(self, house: House) -> None:
        """No event comes in all its time; those of the days before tell of them."""
        for _ in range(3):
            announce(house, "change", house.sandbox.move("contacts", "change", 4))
            house.merge_webhooks()
            heal(house)
        house.sandbox.move("contacts", "change", 7)
        house.sync("contacts")

        assert full_loads(heal(house)) == ["contacts"]
        assert gaps(house) == [("contacts", 0, 7, 0)]

    def test_what_waits_is_not_missed(self, house: House) -> None:
        announce(house, "change", house.sandbox.move("contacts", "change", 20))
        house.merge_webhooks()
        heal(house)
        announce(house, "change", house.sandbox.move("contacts", "change", 5))
        announce(house, "create", house.sandbox.move("contacts", "create", 5))
        house.sync("contacts")

        assert full_loads(heal(house)) == []
        house.merge_webhooks()
        assert full_loads(heal(house)) == []
        assert gaps(house) == []

    def test_without_any_event_nothing_is_missed(self, open_house: Open) -> None:
        house = open_house("hubspot")
        house.sync("contacts", "full")
        house.sandbox.move("contacts", "create", 4)
        house.sync("contacts")

        assert full_loads(heal(house)) == []
        assert gaps(house) == []

    def test_what_happened_before_webhooks_began_is_not_missed(
        self, open_house: Open
    ) -> None:
        house = open_house("hubspot")
        house.sync("contacts", "full")
        house.sandbox.move("contacts", "change", 2)
        announce(house, "change", house.sandbox.move("contacts", "change", 8))
        house.merge_webhooks()
        house.sync("contacts")
        assert compare_all(house.conninfo, house.sandbox, "contacts") == {}

        assert full_loads(heal(house)) == []
        assert gaps(house) == []

    def test_events_may_come_later_than_the_load(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        created = house.sandbox.move("contacts", "create", 2)
        house.sync("contacts")
        with monkeypatch.context() as patient:
            patient.setattr(webhook_gaps, "TOLERANCE_SECONDS", 900.0)
            assert full_loads(heal(house)) == []
        announce(house, "create", created)
        house.merge_webhooks()

        assert full_loads(heal(house)) == []
        assert gaps(house) == []


class TestForgotten:
    def test_webhooks_that_nobody_merges_are_merged(self, house: House) -> None:
        announce(house, "create", house.sandbox.move("contacts", "create", 3))

        report = heal(house, in_place=True)

        merged = act(report, "merge_webhooks")
        assert (merged.found, merged.done) == (1, 1)
        assert compare_all(house.conninfo, house.sandbox, "contacts") == {}

    def test_they_are_not_asked_for_again_at_once(self, house: House) -> None:
        announce(house, "create", house.sandbox.move("contacts", "create", 3))
        first, second = heal(house), heal(house)

        assert [each.entity for each in first.due] == ["webhooks"]
        assert second.due == []

    def test_a_delivery_that_a_defect_spoiled_is_read_again_but_not_for_ever(
        self, house: House
    ) -> None:
        announce(house, "create", house.sandbox.move("contacts", "create", 3))
        spoil = (
            "UPDATE staging.webhook_deliveries SET state = 'failed',"
            " error_message = 'cannot be read: KeyError', exploded_at = now()"
            " - interval '2 days', retried_at = now() - interval '2 days'"
            " WHERE id = (SELECT max(id) FROM staging.webhook_deliveries)"
        )
        retried = []
        for _ in range(5):
            house.rows(spoil)
            retried.append(act(heal(house), "retry_deliveries").done)

        assert retried == [1, 1, 1, 0, 0]

    def test_one_that_is_no_webhook_is_not(self, house: House) -> None:
        house.rows(
            "UPDATE staging.webhook_deliveries SET state = 'failed',"
            " error_message = 'is no JSON', exploded_at = now() - interval '2 days'"
        )

        assert act(heal(house), "retry_deliveries").found == 0


class TestRetention:
    def test_only_what_is_settled_and_old_goes(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "_BATCH", 1)  # several transactions
        announce(house, "change", house.sandbox.move("contacts", "change", 2))
        house.merge_webhooks()
        announce(house, "change", house.sandbox.move("contacts", "change", 1))
        house.rows("DELETE FROM ops.maintenance_acts")
        house.rows(
            "UPDATE staging.webhook_events SET created_at = now() - interval '91 days',"
            " settled_at = now() - interval '91 days' WHERE delivery_id < 4"
        )
        house.rows(
            "UPDATE staging.webhook_deliveries SET received_at = now()"
            " - interval '91 days', exploded_at = exploded_at - interval '91 days'"
        )

        details = act(heal(house), "retain").details

        assert (details["webhook_events"], details["webhook_deliveries"]) == (3, 3)
        left = house.rows("SELECT state FROM staging.webhook_deliveries ORDER BY id")
        assert [row["state"] for row in left] == ["exploded", "pending"]
        assert house.value("SELECT count(*) FROM staging.webhook_events") == 2

    def test_open_errors_and_ids_of_live_jobs_stay(self, house: House) -> None:
        [job_id] = {
            row["id"] for row in house.rows("SELECT min(id) AS id FROM ops.sync_jobs")
        }
        old = "now() - interval '400 days'"
        for fingerprint, resolved in (("a", "false"), ("b", "true")):
            house.rows(
                "INSERT INTO ops.sync_errors (sync_job_id, source_system, entity_type,"
                " severity, error_type, error_message, fingerprint, resolved,"
                f" resolved_at) VALUES (%s, 'hubspot', 'contacts', 'error', 't', 'm',"
                f" %s, {resolved}, {old})",
                job_id,
                fingerprint,
            )
        for status in ("failed", "waiting"):
            house.rows(
                "WITH job AS (INSERT INTO ops.sync_jobs (source_system, entity_type,"
                " job_type, via, status, triggered_by, completed_at, resume_at,"
                " checkpoint) VALUES ('x', 'y', 'full', 'api', %s, 'cli',"
                f" {old}, now(), '{{}}') RETURNING id)"
                " INSERT INTO ops.sync_job_ids SELECT id, 1, '{a}' FROM job",
                status,
            )
        house.rows("DELETE FROM ops.maintenance_acts")

        details = act(heal(house), "retain").details

        assert (details["sync_errors"], details["sync_job_ids"]) == (1, 1)
        assert [
            r["fingerprint"] for r in house.rows("SELECT * FROM ops.sync_errors")
        ] == ["a"]
        left = house.rows(
            "SELECT status, checkpoint FROM ops.sync_jobs WHERE source_system = 'x'"
            " ORDER BY id"
        )
        assert [tuple(row.values()) for row in left] == [
            ("failed", None),
            ("waiting", {}),
        ]
        assert house.value("SELECT count(*) FROM ops.sync_job_ids") == 1

    @pytest.mark.parametrize(
        ("name", "moment"),
        [
            ("webhook_events", "settled_at"),
            ("webhook_deliveries", "exploded_at"),
            ("sync_errors", "resolved_at"),
        ],
    )
    def test_what_is_old_is_found_by_an_index(
        self, house: House, name: str, moment: str
    ) -> None:
        statement = retention.statements()[name].as_bytes(None)
        with psycopg.connect(house.conninfo) as conn:
            for way in ("seqscan", "bitmapscan", "sort"):  # the tables here are small
                conn.execute(f"SET enable_{way} = off")
            explain = b"EXPLAIN (FORMAT JSON) " + statement
            row = conn.execute(explain, {"limit": 5000}).fetchone()

        assert row is not None
        nodes = plan_nodes(row[0][0]["Plan"])
        [found] = [
            node["Index Name"]
            for node in nodes
            if node.get("Index Cond", "").startswith(f"({moment} < ")
        ]
        assert found == f"{name}_{moment.removesuffix('_at')}"
        # Nor is more read than one batch: the oldest come first.
        assert not [node for node in nodes if "Sort" in node["Node Type"]]

    def test_once_a_day(self, house: House) -> None:
        assert act(heal(house), "retain").details == {}

    def test_what_a_merge_may_ask_for_cannot_be_deleted_by_setting(
        self, house: House
    ) -> None:
        with pytest.raises(Exception, match="retention_name"):
            house.rows("INSERT INTO ops.retention VALUES ('audit_log', 5)")
        with pytest.raises(Exception, match="retention_inbox"):
            house.rows(
                "UPDATE ops.retention SET days = 29 WHERE name = 'webhook_events'"
            )
