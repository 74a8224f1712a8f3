"""Archiving, restoring, merging and erasing in the HubSpot stand-in."""

import pytest
from hubspot_client import condition, ids
from webhook_target import WebhookTarget


def act(hubspot, action, entity="contacts", **call):
    return hubspot.crm.admin("POST", f"/{entity}/{action}", call)


def some(hubspot, count, entity="contacts"):
    return [line["source_id"] for line in hubspot.crm.truth(entity)[:count]]


def states(hubspot):
    return hubspot.crm.admin("GET", "/contacts/states")


def listed(hubspot):
    pages = hubspot.walk("contacts", limit=100)
    return {record["id"] for page in pages for record in page["results"]}


def told(hubspot, key):
    names = "hs_merged_object_ids,hs_calculated_merged_vids"
    record = hubspot.get(f"/crm/v3/objects/contacts/{key}", properties=names).json()
    return record["id"], record["properties"]


def test_an_archived_record_comes_back_with_its_old_time(hubspot):
    [key] = some(hubspot, 1)
    before = hubspot.get(f"/crm/v3/objects/contacts/{key}").json()
    act(hubspot, "archive", ids=[key])
    [archived] = hubspot.page("contacts", archived="true")["results"]

    act(hubspot, "restore", ids=[key])

    assert (archived["id"], archived["archived"]) == (key, True)
    assert states(hubspot)["archived"] == {}
    assert hubspot.get(f"/crm/v3/objects/contacts/{key}").json() == before
    assert hubspot.page("contacts", archived="true")["results"] == []
    assert key in hubspot.search_all(
        "contacts", condition("hs_object_id", "EQ", value=key)
    )
    assert some(hubspot, 1) == [key]


def test_the_archive_forgets_after_ninety_days(hubspot):
    act(hubspot, "archive", ids=some(hubspot, 1))
    hubspot.crm.configure(clock_offset_seconds=89 * 86_400)
    assert len(hubspot.page("contacts", archived="true")["results"]) == 1

    hubspot.crm.configure(clock_offset_seconds=91 * 86_400)

    assert hubspot.page("contacts", archived="true")["results"] == []
    hubspot.crm.configure(clock_offset_seconds=0)


def test_a_survivor_answers_for_a_chain(hubspot):
    a, b, c = some(hubspot, 3)
    act(hubspot, "merge", primary=b, merged=[a])
    act(hubspot, "merge", primary=c, merged=[b])

    key, properties = told(hubspot, a)

    assert key == c
    assert properties["hs_merged_object_ids"] == f"{a};{b}"
    vids = properties["hs_calculated_merged_vids"].split(";")
    assert [vid.partition(":")[0] for vid in vids] == [a, b]
    assert {a, b}.isdisjoint(listed(hubspot))
    assert (
        hubspot.search_all("contacts", condition("hs_object_id", "EQ", value=a)) == []
    )
    assert ids(hubspot.batch("contacts", [a, b, c]).json()) == [c]
    assert states(hubspot)["merged"] == {a: c, b: c}
    assert hubspot.crm.deleted("contacts") == []


@pytest.mark.parametrize(
    ("tell", "listed_ids", "timed_ids"),
    [("ids", "ab", ""), ("times", "", "ab"), ("apart", "b", "a"), ("nothing", "", "")],
)
def test_the_properties_may_disagree(hubspot, tell, listed_ids, timed_ids):
    a, b, c = some(hubspot, 3)
    names = {"a": a, "b": b}
    act(hubspot, "merge", primary=b, merged=[a])
    act(hubspot, "merge", primary=c, merged=[b], tell=tell)

    _, properties = told(hubspot, c)

    found = properties["hs_merged_object_ids"] or ""
    vids = properties["hs_calculated_merged_vids"] or ""
    assert found == ";".join(names[each] for each in listed_ids)
    timed = [vid.partition(":")[0] for vid in vids.split(";") if vid]
    assert timed == [names[each] for each in timed_ids]


def test_associations_move_to_the_survivor(hubspot):
    deal = next(d for d in hubspot.crm.truth("deals") if d["contact_source_id"])
    lost = deal["contact_source_id"]
    survivor = next(k for k in some(hubspot, 9) if k != lost)

    act(hubspot, "merge", primary=survivor, merged=[lost])

    [now] = [
        d for d in hubspot.crm.truth("deals") if d["source_id"] == deal["source_id"]
    ]
    linked = {contact for contact, _ in now["links"]}
    assert survivor in linked
    assert lost not in linked


def test_a_merge_may_make_a_new_record_and_tells_all_three(hubspot):
    a, b = some(hubspot, 2)
    with WebhookTarget() as target:
        call = {"target": target.url, "secret": "an invented secret"}
        hubspot.crm.admin("POST", "/webhooks", call)
        made = act(hubspot, "merge", primary=b, merged=[a], new_id=True)
        events = target.wait(1)[0].events
    [merge] = [e for e in events if e["subscriptionType"] == "contact.merge"]

    assert made["ids"] == [b, a]
    assert states(hubspot)["merged"] == {a: made["survivor"], b: made["survivor"]}
    assert merge["primaryObjectId"] == int(b)
    assert merge["mergedObjectIds"] == [int(a)]
    assert merge["newObjectId"] == int(made["survivor"])
    assert merge["numberOfPropertiesMoved"] >= 0


def test_nothing_is_left_of_an_erased_record(hubspot):
    [key] = some(hubspot, 1)

    act(hubspot, "erase", ids=[key])

    assert hubspot.get(f"/crm/v3/objects/contacts/{key}").status_code == 404
    archived = hubspot.get(f"/crm/v3/objects/contacts/{key}", archived="true")
    assert archived.status_code == 404
    assert hubspot.page("contacts", archived="true")["results"] == []
    assert key not in listed(hubspot)
    assert states(hubspot)["erased"] == [key]


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("restore", {"ids": ["1"]}),
        ("merge", {"primary": "1"}),
        ("merge", {"tell": "lies"}),
        ("erase", {"count": 1}),
    ],
)
def test_what_is_not_there_is_refused(hubspot, action, call):
    with pytest.raises(ValueError, match=action):
        act(hubspot, action, **call)
