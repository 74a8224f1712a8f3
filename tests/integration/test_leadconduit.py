"""LeadConduit, ActiveProspect's real service, through the whole engine."""

import json
import time
from collections import Counter
from datetime import datetime

import psycopg
import pytest
import requests
from leadconduit_house import EVENTS, PROFILE, RealCrm, real_house

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.errors import AuthenticationError, TransientSourceError
from tests.proof.command import CommandLine, generous_sources
from tests.proof.oracle import compare_all, row_hash, warehouse_rows

TIMES = ("occurred_at", "source_created_at", "source_updated_at")


@pytest.fixture
def house(warehouse, sandbox):
    return real_house(warehouse, sandbox.crm("activeprospect"))


@pytest.fixture
def crm(house):
    return house.sandbox


def event_differences(house):
    """Source ids of events whose rows are not what they must be."""
    truth = house.sandbox.events()
    for row in truth:
        row.update({k: row[k] and datetime.fromisoformat(row[k]) for k in TIMES})
    held = warehouse_rows(
        house.conninfo, "activeprospect", "lead_events", list(truth[0])
    )
    wanted, found = (
        {(row["source_id"], row_hash(row)) for row in rows} for rows in (truth, held)
    )
    return sorted(key for key, _ in wanted ^ found)


def listed(crm):
    """All events as the service lists them."""
    answer = requests.get(
        crm.base_url + "/events",
        params={"limit": 1000, "sort": "asc"},
        headers={"Accept": "application/json"},
        auth=("", crm.token),
        timeout=30,
    )
    return answer.json()


def asked(crm):
    return [entry for entry in crm.log() if entry["path"].endswith("/events")]


def test_a_lead_is_a_source_event_and_the_others_are_its_steps(house):
    """Rows of leads and contacts are those of the specified API, field by field."""
    leads, events = house.sync("leads"), house.sync("events")

    assert (leads.status, leads.records_created) == ("success", 300)
    assert (events.status, events.records_created) == (
        "success",
        len(house.sandbox.events()),
    )
    assert compare_all(house.conninfo, house.sandbox, "leads") == {}
    assert event_differences(house) == []
    linked = house.rows(
        "SELECT type, count(*) AS of, count(lead_id) AS linked"
        " FROM warehouse.lead_events GROUP BY type"
    )
    assert {row["type"] for row in linked} == {
        "source", "recipient", "filter", "feedback-received", "feedback-sent", "retry",
    }  # fmt: skip
    assert all(row["of"] == row["linked"] for row in linked)


def test_values_are_plain_or_inside_objects(house):
    """Each form is in the payloads, and none of them in a row."""
    house.sync("leads")

    forms = Counter(
        row["form"]
        for row in house.rows(
            "SELECT CASE jsonb_typeof(v.value) WHEN 'object' THEN"
            " (SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(v.value) k)"
            " ELSE 'plain' END AS form"
            " FROM raw.activeprospect_leads AS r,"
            " jsonb_each(r.payload #> '{vars,lead}') AS v"
        )
    )
    assert {"plain", "value", "normal raw valid", "number valid"} <= set(forms)
    assert min(forms.values()) > 10
    # Taken apart, a phone's "number" lacks the area code.
    assert house.value("SELECT min(length(phone)) FROM warehouse.contacts") == 10
    assert house.value(
        "SELECT count(*) FROM warehouse.contacts WHERE concat(first_name, last_name,"
        " email, phone, address, city, state, zip) LIKE '%%{%%'"
    ) == 0  # fmt: skip


def test_certificates_stay_where_they_can_be_asked_for(house):
    house.sync("leads")

    certificates = {
        row["certificate"]
        for row in house.rows(
            "SELECT coalesce(c ->> 'normal', c ->> 'value', c #>> '{}') AS certificate"
            " FROM raw.activeprospect_leads AS r,"
            " LATERAL (SELECT r.payload #> '{vars,lead,trustedform_cert_url}' AS c) c"
        )
    }
    assert len(certificates) == 300
    assert all(each.startswith("https://cert.example.com/") for each in certificates)
    said = house.rows(
        "SELECT key_value FROM identity.known_keys WHERE key_kind = 'certificate'"
    )
    assert {row["key_value"] for row in said} == certificates


def test_unknown_types_and_outcomes_are_kept(house):
    house.sync("leads")
    house.sync("events")

    kept = "SELECT DISTINCT outcome FROM warehouse.lead_events"
    outcomes = {row["outcome"] for row in house.rows(kept)}
    documented = {"success", "failure", "error", "skip", "continue", "stop"}
    assert documented <= outcomes
    assert outcomes - documented == {"new", "accepted", "rejected", "returned"}


def test_what_is_asked_for(house, crm):
    house.sync("events", batch_size=250)
    first = asked(crm)
    house.sync("events", batch_size=250)
    [begin, end] = asked(crm)[len(first) :]

    assert {entry["query"]["sort"] for entry in first} == {"asc"}
    assert first[0]["query"] == {"limit": "250", "sort": "asc"}
    assert all(len(entry["query"]["after_id"]) == 24 for entry in first[1:])
    # What came to an end is asked for once more: an empty list is all that says so.
    assert first[-1]["query"] == first[-2]["query"]
    assert begin["query"] == end["query"]
    assert set(begin["query"]) == {"start", "limit", "sort"}


def test_a_second_run_reads_what_came_since(house, crm):
    house.sync("leads")
    before = len(asked(crm))
    nothing = house.sync("leads")
    crm.move("leads", "change", 7)
    crm.move("leads", "create", 5)
    news = house.sync("leads")

    assert (nothing.records_received, len(asked(crm)) - before) == (0, 2 + 3)
    assert (news.records_updated, news.records_created) == (7, 5)
    assert compare_all(house.conninfo, crm, "leads") == {}
    assert house.value("SELECT count(*) FROM raw.activeprospect_leads") == 305


def test_events_that_come_late_are_read_within_the_overlap(house, crm):
    """Eleven minutes; a full load finds what came later than that."""
    house.sync("leads")
    in_time, too_late = crm.add_late(3, 600), crm.add_late(2, 3600)

    house.sync("leads")
    held = {r["source_id"] for r in house.rows("SELECT source_id FROM warehouse.leads")}
    assert set(in_time) <= held
    assert not set(too_late) & held

    house.sync("leads", "full")
    assert compare_all(house.conninfo, crm, "leads") == {}


def test_equal_seconds_do_not_matter(house, crm):
    crm.move("leads", "create", 400)
    house.sync("leads", batch_size=7)

    assert compare_all(house.conninfo, crm, "leads") == {}


@pytest.mark.parametrize("entity", ["leads", "events"])
def test_short_pages_end_nothing(house, crm, entity):
    crm.fault("short_page", path=EVENTS, probability=0.5)
    result = house.sync(entity)

    assert result.status == "success"
    assert result.records_repeated == 0
    assert compare_all(house.conninfo, crm, "leads") == {} or entity == "events"
    assert event_differences(house) == [] or entity == "leads"


def test_one_empty_page_ends_nothing(house, crm):
    crm.fault("empty_page", path=EVENTS, after=2, count=1)
    house.sync("leads")

    assert compare_all(house.conninfo, crm, "leads") == {}


def test_a_page_that_comes_twice_costs_a_request(house, crm):
    house.sync("events")
    usual = len(asked(crm))
    crm.fault("repeat_page", path=EVENTS, after=3, count=1)
    result = house.sync("events", "full")

    assert (result.status, result.retries) == ("success", 1)
    assert len(asked(crm)) == 2 * usual + 1
    assert event_differences(house) == []


def test_a_place_that_is_ignored_stops_the_job(house, crm):
    crm.fault("loop", path=EVENTS)

    with pytest.raises(TransientSourceError, match="repeats a page"):
        house.sync("leads")
    assert house.value("SELECT count(*) FROM ops.watermarks") == 0

    crm.clear_faults()
    assert house.sync("leads").status == "success"
    assert compare_all(house.conninfo, crm, "leads") == {}


@pytest.mark.parametrize("kind", ["reset", "truncate", "html", "empty"])
def test_broken_answers_are_asked_for_again(house, crm, kind):
    crm.fault(kind, path=EVENTS, after=1, count=1)
    result = house.sync("leads")

    assert (result.status, result.retries) == ("success", 1)
    assert compare_all(house.conninfo, crm, "leads") == {}


def test_a_wrong_key_is_refused(house, crm, monkeypatch):
    monkeypatch.setattr(type(crm), "token", "another-key")

    with pytest.raises(AuthenticationError):
        house.sync("leads")


def test_bad_records_do_not_block_the_others(house, crm):
    for kind in ("missing_id", "bad_created_date", "bad_amount", "bad_phone", "nul"):
        crm.move("leads", "spoil", 3, kind=kind)
    crm.move("events", "spoil", 9, kind="missing_id")
    nameless = [event for event in listed(crm) if event["id"] is None]
    leads, events = house.sync("leads"), house.sync("events")

    assert (leads.status, leads.records_failed) == ("partial", 3)
    assert 3 < len(nameless) < 9  # the others are of leads, which tell them themselves
    assert (events.status, events.records_failed) == ("partial", len(nameless))
    assert compare_all(house.conninfo, crm, "leads") == {}
    assert event_differences(house) == []


def test_an_erased_person_is_erased_from_nameless_rejects_too(house, crm):
    """They are known by a value of the person's own, plain or inside an object."""
    house.sync("leads")
    spoilt = crm.move("leads", "spoil", 10, kind="missing_id")
    assert house.sync("leads").records_failed == 10
    left = (
        "SELECT count(*) FROM ops.sync_errors"
        " WHERE error_type = 'missing_id' AND record_data IS NOT NULL"
    )
    assert house.value(left) == 10
    entity = house.source.entities["leads"]
    with psycopg.connect(house.conninfo, autocommit=True) as conn, conn.transaction():
        erase(conn, Request(entity, "activeprospect", spoilt, "request", "cli"))

    assert house.value(left) == 0


def test_killed_in_the_middle_of_the_list_it_goes_on(
    house, warehouse, sandbox, crm, tmp_path
):
    command = RealCommand(
        warehouse, sandbox, generous_sources(tmp_path), "tests.proof.small_chunks"
    )
    crm.fault("latency", path=EVENTS, seconds=0.05)
    words = ("sync", "--source", "activeprospect", "--entity", "events")
    with command.start(*words, "--batch-size", "25") as process:
        deadline = time.monotonic() + 60
        while not (chunks := house.rows("SELECT chunks FROM ops.sync_jobs")) or (
            chunks[0]["chunks"] < 2
        ):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    [job] = house.rows("SELECT records_received, checkpoint FROM ops.sync_jobs")
    crm.clear_faults()
    crm.admin("DELETE", "/stats")

    ended = command.run(*words, "--batch-size", "25")

    assert ended.status == 0, ended.errors
    places = [entry["query"].get("after_id") for entry in asked(crm)]
    # In front of it, perhaps, what the killed process had sent.
    assert job["checkpoint"]["keyset"]["last"] in places[:2]
    assert event_differences(house) == []
    assert house.value("SELECT count(*) FROM ops.sync_jobs") == 1
    total = len(crm.events())
    assert ended.result["records_created"] == total
    # Behind the last page one more place, asked twice for the end; and the request that
    # the killed process had sent may be counted behind it.
    pages = -(-(total - job["records_received"]) // 25)
    assert len(set(places)) == pages + 1
    assert len(places) <= pages + 3


class RealCommand(CommandLine):
    """The command line, whose connection names the profile."""

    def environment(self):
        crm = self.sandbox.crm("activeprospect")
        connection = {
            "host": RealCrm(crm).base_url,
            "password": crm.token,
            "extra": {"profile": PROFILE},
        }
        name = "AIRFLOW_CONN_ACTIVEPROSPECT_DEFAULT"
        return {**super().environment(), name: json.dumps(connection)}
