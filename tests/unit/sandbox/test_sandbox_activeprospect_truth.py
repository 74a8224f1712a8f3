"""ActiveProspect: moves, defects, both truths of a lead, events."""

from decimal import Decimal

import pytest
from activeprospect_client import COUNTS, Api, ids

from include.sandbox.activeprospect.defects import EVENT_DEFECTS, LEAD_DEFECTS
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

ABOUT = ("expect", "defect", "null_fields", "warnings")


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("activeprospect")


@pytest.fixture
def api(crm):
    with Api(crm) as client:
        yield client


def about_lead(lead):
    dates = {
        "source_id": lead["id"],
        "source_created_at": lead["created"],
        "source_updated_at": lead["updated"],
        "status": lead["outcome"] if "outcome" in lead else lead["status"],
        "lead_source": lead["source"]["name"] if lead["source"] else None,
    }
    price = lead.get("price")
    return dates, None if price is None else f"{Decimal(price):.2f}"


def test_truth_of_clean_leads_is_what_the_api_sends(api, crm):
    rows = []
    for lead in api.all("leads"):
        common, price = about_lead(lead)
        more = {"value": price, "name": None, "notes": None}
        rows.append({**common, **more, "contact_source_id": lead["id"]})
    truth = crm.truth("leads")

    assert [{k: v for k, v in t.items() if k not in ABOUT} for t in truth] == rows
    assert {tuple(map(str, (t[k] for k in ABOUT))) for t in truth} == {
        ("keep", "None", "[]", "[]")
    }


def test_truth_of_the_contacts_that_leads_are_too(api, crm):
    rows = []
    for lead in api.all("leads"):
        common, _price = about_lead(lead)
        form = lead["lead"]
        same = ("first_name", "last_name", "email", "city", "state")
        renamed = {
            "phone": form["phone_1"],
            "address": form["address_1"],
            "zip": form["postal_code"],
        }
        rows.append({**common, **{k: form[k] for k in same}, **renamed})
    truth = crm.truth("leads", into="contacts")

    assert [{k: v for k, v in t.items() if k not in ABOUT} for t in truth] == rows


@pytest.mark.parametrize(
    ("entity", "into", "also"),
    [("leads", "companies", "contacts"), ("events", "contacts", "no other")],
)
def test_truth_of_a_table_that_is_not_filled_is_refused(crm, entity, into, also):
    with pytest.raises(ValueError, match=f"{entity} also fill {also}"):
        crm.admin("GET", f"/truth/{entity}?into={into}")


def test_truth_of_clean_events_is_what_the_api_sends(api, crm):
    rows = [
        {
            "source_id": event["id"],
            "lead_source_id": event["lead_id"],
            "type": event["type"],
            "outcome": event["outcome"],
            "reason": event["reason"],
            "step": event["step_name"],
            "occurred_at": event["created"],
            "source_created_at": event["created"],
            "source_updated_at": event["updated"],
        }
        for event in api.all("events")
    ]

    truth = crm.truth("events")
    assert [{k: v for k, v in t.items() if k not in ABOUT} for t in truth] == rows


@pytest.mark.parametrize("entity", COUNTS)
def test_moves_answer_with_ids_as_sent(api, crm, entity):
    before = {record["id"]: record for record in api.all(entity)}

    changed = crm.move(entity, "change", 5)
    [created] = crm.move(entity, "create")
    gone = crm.move(entity, "delete", 3)

    after = {record["id"]: record for record in api.all(entity)}
    assert created > max(before)
    assert crm.deleted(entity) == gone
    assert set(before) | {created} == set(after) | set(gone)
    for key in set(changed) - set(gone):
        assert after[key]["outcome"] != before[key].get("outcome")
        assert after[key]["updated"] > before[key]["updated"]
    untouched = set(before) - set(changed) - set(gone)
    assert all(after[key] == before[key] for key in untouched)
    newest = max(record["updated"] for record in before.values())
    found = ids(api.all(entity, modified_since=newest))
    assert {*changed, created} - set(gone) <= set(found)


def spoiled(api, crm, entity, kind):
    """A record with this defect as sent, and its line of truth."""
    everything = ids(api.all(entity))
    [key] = crm.move(entity, "spoil", kind=kind)
    at = everything.index(key)
    return api.all(entity)[at], crm.truth(entity)[at], at


@pytest.mark.parametrize("entity", COUNTS)
def test_record_without_id(api, crm, entity):
    record, line, _at = spoiled(api, crm, entity, "missing_id")

    assert not record.get("id")
    assert line == {
        "source_id": None,
        "expect": "reject",
        "defect": "missing_id",
        "reason": "missing_id",
        "field": None,
    }


def test_a_page_may_end_with_a_record_without_id(api, crm):
    crm.move("leads", "spoil", 125, kind="missing_id")

    assert len(api.all("leads", limit=10)) == 125


def test_defects_concern_the_tables_whose_columns_they_spoil(api, crm):
    _record, price, at = spoiled(api, crm, "leads", "bad_amount")
    contact = crm.truth("leads", into="contacts")[at]
    assert price["value"] is None
    assert price["null_fields"] == price["warnings"] == ["value"]
    assert contact["null_fields"] == contact["warnings"] == []

    record, lead, at = spoiled(api, crm, "leads", "bad_email")
    contact = crm.truth("leads", into="contacts")[at]
    assert lead["warnings"] == []
    assert contact["warnings"] == ["email"]
    assert contact["email"] == record["lead"]["email"]

    _record, lead, at = spoiled(api, crm, "leads", "bad_created_date")
    contact = crm.truth("leads", into="contacts")[at]
    for line in (lead, contact):
        assert line["source_created_at"] is None
        assert line["null_fields"] == line["warnings"] == ["source_created_at"]


def test_an_event_without_a_time(api, crm):
    _record, line, _at = spoiled(api, crm, "events", "bad_created_date")

    assert (line["source_created_at"], line["occurred_at"]) == (None, None)
    assert line["null_fields"] == ["source_created_at", "occurred_at"]
    assert line["warnings"] == ["source_created_at", "occurred_at"]
    assert line["source_updated_at"] is not None


@pytest.mark.parametrize(
    ("kind", "unit"), [("nul", "\x00"), ("lone_surrogate", "\ud83d")]
)
def test_characters_that_postgresql_refuses(api, crm, kind, unit):
    event, line, _at = spoiled(api, crm, "events", kind)
    lead, _line, at = spoiled(api, crm, "leads", kind)
    contact = crm.truth("leads", into="contacts")[at]

    assert unit in event["reason"]
    assert line["reason"] == event["reason"].replace(unit, "\ufffd")
    assert contact["last_name"] == lead["lead"]["last_name"].replace(unit, "\ufffd")


def test_dangling_parent_is_kept(api, crm):
    record, line, _at = spoiled(api, crm, "events", "dangling_parent")

    assert api.get(f"/leads/{record['lead_id']}").status_code == 404
    assert (line["expect"], line["lead_source_id"]) == ("keep", record["lead_id"])


def test_dirty_share_and_its_kinds():
    settings = Settings(dirty=0.2, sizes={"activeprospect": 500})
    with SandboxServer(settings, system="activeprospect") as server:
        leads, events = [
            [line["defect"] for line in server.truth(entity)]
            for entity in ("leads", "events")
        ]

    assert set(leads) == {None, *LEAD_DEFECTS}
    assert set(events) == {None, *EVENT_DEFECTS}
    for kinds in (leads, events):
        assert 0.1 < 1 - kinds.count(None) / len(kinds) < 0.3
