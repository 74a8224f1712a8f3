"""HubSpot's search: windows, filters, order, limits, lag, odd pages."""

from datetime import datetime

import pytest
from hubspot_client import MODIFIED, TYPES, after_of, condition, ids


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


@pytest.mark.parametrize("entity", TYPES)
@pytest.mark.parametrize("form", ["epoch", "iso"])
def test_a_window_is_inclusive_and_complete(hubspot, entity, form):
    records = hubspot.all(entity)
    times = sorted(r["updatedAt"] for r in records)
    low, high = times[len(times) // 4], times[3 * len(times) // 4]
    ends = (low, high) if form == "iso" else (str(ms(low)), str(ms(high)))
    window = condition(MODIFIED[entity], "BETWEEN", value=ends[0], highValue=ends[1])

    page = hubspot.search(entity, window, limit=200)

    inside = [r["id"] for r in records if low <= r["updatedAt"] <= high]
    assert ids(page) == inside
    assert page["total"] == len(inside) < len(records)
    assert "paging" not in page


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("EQ", lambda a, b: a == b),
        ("NEQ", lambda a, b: a != b),
        ("GT", lambda a, b: a > b),
        ("GTE", lambda a, b: a >= b),
        ("LT", lambda a, b: a < b),
        ("LTE", lambda a, b: a <= b),
    ],
)
def test_operators_on_times_and_numbers(hubspot, operator, holds):
    records = hubspot.all("deals")
    middle = sorted(records, key=lambda r: r["updatedAt"])[60]
    edge = middle["updatedAt"]
    amount = next(
        r["properties"]["amount"] for r in records if r["properties"]["amount"]
    )

    by_time = condition("hs_lastmodifieddate", operator, value=str(ms(edge)))
    by_amount = condition("amount", operator, value=amount)
    by_id = condition("hs_object_id", operator, value=middle["id"])

    def expected(value_of, edge):
        values = {r["id"]: value_of(r) for r in records}
        return [
            key
            for key, v in values.items()
            if (operator == "NEQ" if v is None else holds(v, edge))
        ]

    def money(record):
        text = record["properties"]["amount"]
        return float(text) if text else None

    assert hubspot.search_all("deals", by_time, limit=50) == expected(
        lambda r: r["updatedAt"], edge
    )
    assert hubspot.search_all("deals", by_amount) == expected(money, float(amount))
    assert hubspot.search_all("deals", by_id) == expected(
        lambda r: int(r["id"]), int(middle["id"])
    )


def test_presence_lists_and_text(hubspot):
    records = hubspot.all("contacts")
    with_mail = [r["id"] for r in records if r["properties"]["email"]]
    name = records[0]["properties"]["lastname"]
    same = [
        r["id"] for r in records if r["properties"]["lastname"].lower() == name.lower()
    ]
    new = [
        r["id"] for r in records if r["properties"]["hs_lead_status"] in ("NEW", "OPEN")
    ]

    def found(*filters):
        return hubspot.search_all("contacts", *filters, limit=100)

    assert found(condition("email", "HAS_PROPERTY")) == with_mail
    assert found(condition("email", "NOT_HAS_PROPERTY")) == [
        r["id"] for r in records if r["id"] not in with_mail
    ]
    assert found(condition("lastname", "EQ", value=name)) == same
    assert found(condition("lastname", "IN", values=[name.lower()])) == same
    assert found(condition("lastname", "IN", values=[name.upper()])) == []
    assert found(condition("hs_lead_status", "IN", values=["NEW", "OPEN"])) == new
    assert found(condition("hs_lead_status", "IN", values=["new"])) == []


def test_filters_of_a_group_all_hold_and_one_group_is_enough(hubspot):
    first, *_, last = hubspot.all("deals")
    both = [
        condition("hs_object_id", "EQ", value=first["id"]),
        condition("dealname", "HAS_PROPERTY"),
    ]
    neither = [
        condition("hs_object_id", "EQ", value=first["id"]),
        condition("hs_object_id", "EQ", value=last["id"]),
    ]
    other = [condition("hs_object_id", "EQ", value=last["id"])]

    def found(*groups):
        call = {"filterGroups": [{"filters": filters} for filters in groups]}
        return ids(hubspot.search("deals", **call))

    assert found(both) == [first["id"]]
    assert found(neither) == []
    assert found(both, other) == [first["id"], last["id"]]


def test_the_wrong_time_of_contacts_finds_nothing_silently(hubspot):
    wide = {"value": "1000000000000", "highValue": "2000000000000"}

    wrong = hubspot.search(
        "contacts", condition("hs_lastmodifieddate", "BETWEEN", **wide)
    )
    right = hubspot.search("contacts", condition("lastmodifieddate", "BETWEEN", **wide))

    assert (wrong["total"], wrong["results"]) == (0, [])
    assert right["total"] == 250


def test_order(hubspot):
    records = hubspot.all("contacts")
    modified = sorted(records, key=lambda r: r["updatedAt"], reverse=True)
    down = {"propertyName": "lastmodifieddate", "direction": "DESCENDING"}

    assert hubspot.search_all("contacts", limit=99) == [r["id"] for r in records]
    assert hubspot.search_all("contacts", sorts=[down]) == [r["id"] for r in modified]


def test_ids_are_sorted_and_compared_in_the_order_that_is_set(hubspot):
    everything = [r["id"] for r in hubspot.all("contacts")]
    by_id = {"propertyName": "hs_object_id", "direction": "ASCENDING"}
    edge = condition("hs_object_id", "GT", value="99950")

    as_numbers = hubspot.search_all("contacts", sorts=[by_id], limit=200)
    behind = hubspot.search_all("contacts", edge, sorts=[by_id], limit=200)
    hubspot.crm.configure(id_order="text")
    as_text = hubspot.search_all("contacts", sorts=[by_id], limit=200)
    behind_text = hubspot.search_all("contacts", edge, sorts=[by_id], limit=200)

    assert as_numbers == everything != sorted(everything)
    assert behind == [key for key in everything if int(key) > 99_950]
    assert as_text == sorted(everything)
    assert behind_text == [key for key in sorted(everything) if key > "99950"]


def test_offsets_are_text_and_taken_as_text_or_number(hubspot):
    first = hubspot.search("contacts", limit=200)

    assert after_of(first) == "200"
    second = hubspot.search("contacts", limit=200, after=200)
    assert second == hubspot.search("contacts", limit=200, after="200")
    assert len(second["results"]) == 50
    assert "paging" not in second
    assert len(hubspot.search("contacts")["results"]) == 10


def test_properties_as_asked_and_never_associations(hubspot):
    call = {"properties": ["phone"], "associations": ["contacts"], "limit": 1}
    [record] = hubspot.search("deals", **call)["results"]

    assert sorted(record["properties"]) == [
        "createdate",
        "hs_lastmodifieddate",
        "hs_object_id",
    ]
    assert sorted(record) == [
        "archived",
        "createdAt",
        "id",
        "properties",
        "updatedAt",
    ]


_ONE = {"propertyName": "dealname", "operator": "HAS_PROPERTY"}
_SORT = {"propertyName": "amount", "direction": "ASCENDING"}


@pytest.mark.parametrize(
    "call",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "x"},
        {"after": "MTAw"},
        {"limit": 200, "after": "9801"},
        {"sorts": [_SORT, _SORT]},
        {"sorts": [{"propertyName": "nothing"}]},
        {"filterGroups": [{"filters": [_ONE]}] * 6},
        {"filterGroups": [{"filters": [_ONE] * 7}]},
        {"filterGroups": [{"filters": [_ONE] * 5}] * 4},
        {"filterGroups": [{"filters": [{**_ONE, "operator": "LIKE"}]}]},
        {"filterGroups": [{"filters": [{**_ONE, "propertyName": "nothing"}]}]},
        {"filterGroups": [{"filters": [condition("amount", "GT", value="much")]}]},
        {"filterGroups": "all"},
        {"query": "x" * 3_000},
    ],
)
def test_impossible_searches_are_refused(hubspot, call):
    answer = hubspot.try_search("deals", **call)

    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_the_largest_search_that_is_allowed(hubspot):
    groups = [{"filters": [_ONE] * n} for n in (6, 3, 3, 3, 3)]
    call = {"filterGroups": groups, "limit": 200, "after": "9800", "sorts": [_SORT]}

    assert hubspot.search("deals", **call)["results"] == []


def test_the_beginning_of_time_breaks_it(hubspot):
    zero = condition("hs_lastmodifieddate", "GTE", value="0")
    call = {"filterGroups": [{"filters": [zero]}]}

    assert hubspot.try_search("deals", **call).status_code == 500


def test_archived_records_are_not_found(hubspot):
    gone = hubspot.crm.move("deals", "delete", 5)

    found = hubspot.search_all("deals", limit=200)

    assert len(found) == 120
    assert not set(found) & set(gone)


def test_changes_are_found_at_once_or_after_the_lag(hubspot):
    since = condition("lastmodifieddate", "GTE", value="2026-06-01T00:00:00.000Z")
    assert hubspot.search_all("contacts", since) == []
    changed = hubspot.crm.move("contacts", "change", 3)
    assert set(hubspot.search_all("contacts", since)) == set(changed)

    hubspot.crm.configure(index_lag_seconds=600)
    [late] = hubspot.crm.move("contacts", "change")
    [born] = hubspot.crm.move("contacts", "create")
    [gone] = hubspot.crm.move("contacts", "delete")
    before = hubspot.search("contacts", since, limit=200)
    hubspot.crm.configure(clock_offset_seconds=601)
    after = hubspot.search("contacts", since, limit=200)

    assert set(ids(before)) == set(changed) - {gone}
    assert set(ids(after)) == {*changed, late, born} - {gone}
    shown = {r["id"]: r["updatedAt"] for r in after["results"]}
    for record in before["results"]:
        if record["id"] != late:
            assert record["updatedAt"] == shown[record["id"]]


def test_what_is_archived_before_search_knows_of_it_is_never_found(hubspot):
    hubspot.crm.configure(index_lag_seconds=600)
    changed = hubspot.crm.move("companies", "change", 25)
    gone = hubspot.crm.move("companies", "delete", 5)
    hubspot.crm.configure(clock_offset_seconds=601)

    assert set(hubspot.search_all("companies")) == set(changed) - set(gone)


def test_a_late_search_shows_the_record_as_it_was(hubspot):
    hubspot.crm.configure(index_lag_seconds=600)
    [key] = hubspot.crm.move("contacts", "change")
    now = hubspot.get(f"/crm/v3/objects/contacts/{key}").json()

    [then] = hubspot.search("contacts", condition("hs_object_id", "EQ", value=key))[
        "results"
    ]

    assert then["updatedAt"] < now["updatedAt"]


def test_a_bulk_edit_gives_one_millisecond_to_many(hubspot):
    moment = "2025-09-30T23:59:59.123Z"
    stamped = hubspot.crm.admin(
        "POST", "/contacts/stamp", {"count": 100, "at": moment}
    )["ids"]

    found = hubspot.search(
        "contacts",
        condition("lastmodifieddate", "EQ", value=str(ms(moment))),
        limit=200,
    )

    assert len(set(stamped)) == 100
    assert set(ids(found)) == set(stamped)
    assert {r["updatedAt"] for r in found["results"]} == {moment}
    [now_stamped] = hubspot.crm.admin("POST", "/deals/stamp", {"count": 1})["ids"]
    assert max(hubspot.all("deals"), key=lambda r: r["updatedAt"])["id"] == now_stamped
    with pytest.raises(ValueError, match="ISO 8601"):
        hubspot.crm.admin("POST", "/deals/stamp", {"at": "noon"})


def test_many_changes_at_once_stay_in_order(hubspot):
    """So many that the index is sorted anew instead of record by record."""
    hubspot.crm.move("contacts", "create", 700)
    times = {r["id"]: r["updatedAt"] for r in hubspot.all("contacts")}
    up = {"propertyName": "lastmodifieddate", "direction": "ASCENDING"}
    low = condition("lastmodifieddate", "GTE", value="2026-06-01T00:00:00.000Z")

    assert len(hubspot.search_all("contacts", low, limit=200)) == 700
    found = hubspot.search_all("contacts", sorts=[up], limit=200)
    assert [times[key] for key in found] == sorted(times.values())


def test_short_and_empty_pages_lead_on_and_lose_nothing(hubspot):
    everything = hubspot.search_all("contacts", limit=100)
    hubspot.crm.fault("short_page", after=0, count=1)
    hubspot.crm.fault("empty_page", after=1, count=1)

    sizes, found, after = [], [], "0"
    while after:
        page = hubspot.search("contacts", limit=100, after=after)
        sizes.append(len(page["results"]))
        found += ids(page)
        after = after_of(page)

    assert sizes == [50, 0, 100, 100]
    assert found == everything


def test_faults_of_pages_strike_searches(hubspot):
    first = hubspot.search("contacts", limit=100)
    hubspot.crm.fault("lying_total", delta=7, count=1)
    assert hubspot.search("contacts")["total"] == 257

    hubspot.crm.fault("loop", count=1)
    assert after_of(hubspot.search("contacts", limit=100, after=100)) == "100"

    hubspot.crm.fault("repeat_page", count=1)
    assert ids(hubspot.search("contacts", limit=100, after=100)) == ids(first)

    hubspot.crm.fault("page_shift", count=1)
    hubspot.search("contacts", limit=100)
    assert hubspot.crm.deleted("contacts") == [ids(first)[0]]
    assert hubspot.search("contacts")["total"] == 249
