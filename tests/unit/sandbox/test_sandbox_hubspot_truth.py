"""What the warehouse must make of HubSpot records, moved and spoiled ones too."""

from decimal import Decimal

import pytest
from hubspot_client import MODIFIED, TYPES

META = ("expect", "defect", "null_fields", "warnings")
CONTACT = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "phone": "phone",
    "address": "address",
    "city": "city",
    "state": "state",
    "zip": "zip",
    "status": "hs_lead_status",
}
COMPANY = ("name", "domain", "phone", "address", "city", "state", "zip")


def mapped(entity, record):
    """The specification's mapping, once more; links apart."""
    have = record["properties"]
    row = {
        "source_id": record["id"],
        "source_created_at": record["createdAt"],
        "source_updated_at": record["updatedAt"],
    }
    if entity == "contacts":
        row |= {column: have[name] for column, name in CONTACT.items()}
        return row | {"lead_source": None}
    if entity == "companies":
        return row | {name: have[name] for name in COMPANY}
    amount, home = have["amount"], have["hs_amount_in_home_currency"]
    return row | {
        "user_source_id": have["hubspot_owner_id"],
        "stage_source_id": f"{have['pipeline']}:{have['dealstage']}",
        "currency": have["deal_currency_code"],
        "home_value": str(Decimal(home).quantize(Decimal("0.01"))) if home else None,
        "name": have["dealname"],
        "status": have["dealstage"],
        "value": str(Decimal(amount).quantize(Decimal("0.01"))) if amount else None,
        "expected_close_at": have["closedate"] or None,
    }


def rows(hubspot, entity):
    return {
        line["source_id"]: {k: v for k, v in line.items() if k not in META}
        for line in hubspot.crm.truth(entity)
    }


def line_of(hubspot, entity, defect):
    return next(row for row in hubspot.crm.truth(entity) if row["defect"] == defect)


@pytest.mark.parametrize("entity", TYPES)
def test_truth_of_clean_records_is_what_the_api_sends(hubspot, entity):
    truth = rows(hubspot, entity)
    records = hubspot.all(entity)

    assert list(truth) == [record["id"] for record in records]
    for record in records:
        row = dict(truth[record["id"]])
        links = row.pop("links", None)
        first = row.pop("contact_source_id", None)
        assert row == mapped(entity, record)
        assert (links is None) == (entity == "contacts")
        if entity == "deals":
            primary = [c for c, kind in links if kind == 51]
            plain = sorted((c for c, _ in links), key=int)
            assert first == next(iter(primary + plain), None)
    for line in hubspot.crm.truth(entity):
        assert [line[name] for name in META] == ["keep", None, [], []]


def test_a_primary_contact_comes_first_though_its_id_is_not_the_lowest(hubspot):
    led = [
        (row["contact_source_id"], row["links"])
        for row in rows(hubspot, "deals").values()
        if 51 in [kind for _, kind in row["links"]]
    ]

    assert any(first != min((c for c, _ in links), key=int) for first, links in led)


def test_the_people_of_genius_are_here_spelled_otherwise(hubspot, sandbox):
    theirs = {row["email"]: row for row in sandbox.truth("prospects") if row["email"]}
    ours = [row for row in rows(hubspot, "contacts").values() if row["email"] in theirs]

    assert len(ours) > 150
    assert any(row["first_name"] != theirs[row["email"]]["first_name"] for row in ours)


def test_empty_texts_stay_empty_and_nulls_null(hubspot):
    phones = [row["phone"] for row in rows(hubspot, "contacts").values()]
    values = [row["value"] for row in rows(hubspot, "deals").values()]

    assert {"", None} < set(phones)
    assert None in values
    assert "" not in values


@pytest.mark.parametrize("entity", TYPES)
def test_change_is_visible_and_to_the_millisecond(hubspot, entity):
    before = {r["id"]: r for r in hubspot.all(entity)}

    changed = hubspot.crm.move(entity, "change", 5)

    after = {r["id"]: r for r in hubspot.all(entity)}
    assert {key for key in after if after[key] != before[key]} == set(changed)
    for key in changed:
        now = after[key]
        assert now["updatedAt"] > before[key]["updatedAt"]
        assert now["createdAt"] == before[key]["createdAt"]
        modified = MODIFIED[entity]
        assert now["properties"][modified] == now["updatedAt"]
        assert rows(hubspot, entity)[key]["source_updated_at"] == now["updatedAt"]
    assert len({after[key]["updatedAt"] for key in changed}) == 1


def test_create_and_delete(hubspot):
    born = hubspot.crm.move("contacts", "create", 3)
    gone = hubspot.crm.move("contacts", "delete", 4)

    assert all(isinstance(key, str) for key in born + gone)
    assert hubspot.crm.deleted("contacts") == gone
    assert len(rows(hubspot, "contacts")) == 249
    assert set(rows(hubspot, "contacts")) == {r["id"] for r in hubspot.all("contacts")}


@pytest.mark.parametrize(
    ("entity", "kind", "nulls", "warns"),
    [
        ("contacts", "bad_email", [], ["email"]),
        ("contacts", "bad_phone", [], ["phone"]),
        ("companies", "bad_phone", [], ["phone"]),
        ("deals", "bad_amount", ["value"], ["value"]),
        ("contacts", "nul", [], []),
        ("deals", "lone_surrogate", [], []),
        ("companies", "unknown_fields", [], []),
        ("contacts", "empty_name", [], []),
        ("contacts", "huge_text", [], []),
        ("deals", "huge_text", [], []),
    ],
)
def test_what_is_kept_of_a_spoiled_record(hubspot, entity, kind, nulls, warns):
    [key] = hubspot.crm.move(entity, "spoil", kind=kind)

    line = line_of(hubspot, entity, kind)

    assert (line["source_id"], line["expect"]) == (key, "keep")
    assert (line["null_fields"], line["warnings"]) == (nulls, warns)
    record = next(r for r in hubspot.all(entity) if r["id"] == key)
    expected = mapped(entity, record) if kind != "bad_amount" else {"value": None}
    for column, value in expected.items():
        if isinstance(value, str):
            value = value.replace("\x00", "\ufffd").replace("\ud83d", "\ufffd")
        assert line[column] == value
    assert hubspot.crm.move(entity, "mend") == [key]
    assert {row["defect"] for row in hubspot.crm.truth(entity)} == {None}


def test_spoiled_values_are_really_spoiled(hubspot):
    def spoiled(entity, kind):
        [key] = hubspot.crm.move(entity, "spoil", kind=kind)
        return next(r for r in hubspot.all(entity) if r["id"] == key)

    assert "\x00" in spoiled("contacts", "nul")["properties"]["lastname"]
    assert "\ud83d" in spoiled("deals", "lone_surrogate")["properties"]["dealname"]
    assert "objectWriteTraceId" in spoiled("companies", "unknown_fields")
    assert spoiled("contacts", "empty_name")["properties"]["firstname"] == ""
    long = spoiled("contacts", "huge_text")["properties"]["address"]
    assert 60_000 < len(long) <= 65_536
    amount = spoiled("deals", "bad_amount")["properties"]["amount"]
    assert amount in ("N/A", "about five thousand", "3092727991;3881228353")


def test_a_record_without_id_is_rejected(hubspot):
    [key] = hubspot.crm.move("contacts", "spoil", kind="missing_id")

    assert line_of(hubspot, "contacts", "missing_id") == {
        "source_id": None,
        "expect": "reject",
        "defect": "missing_id",
        "reason": "missing_id",
        "field": None,
    }
    [record] = [r for r in hubspot.all("contacts") if not r.get("id")]
    assert record["properties"]["hs_object_id"] == key
    assert hubspot.get(f"/crm/v3/objects/contacts/{key}").status_code == 404
    assert hubspot.batch("contacts", [key]).status_code == 207
