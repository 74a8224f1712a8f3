"""HubSpot's associations: shown in objects, read in batches, changed in silence."""

import pytest
from hubspot_client import after_of

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings

_PLAIN = {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}


def truth_links(hubspot, entity):
    return {row["source_id"]: row["links"] for row in hubspot.crm.truth(entity)}


def read_links(answer):
    """What an answer says, in the form of the truth."""
    return {
        result["from"]["id"]: sorted(
            [str(to["toObjectId"]), kind["typeId"]]
            for to in result["to"]
            for kind in to["associationTypes"]
        )
        for result in answer.json()["results"]
    }


def linked(hubspot, entity):
    return {key: links for key, links in truth_links(hubspot, entity).items() if links}


@pytest.mark.parametrize(
    ("entity", "types"), [("deals", {3, 51, 53}), ("companies", {280, 2})]
)
def test_a_batch_tells_all_associations_and_who_has_none(hubspot, entity, types):
    hubspot.crm.configure(associations_inputs=1_000)
    truth = truth_links(hubspot, entity)

    answer = hubspot.associated(entity, "contacts", *truth, "17")

    assert answer.status_code == 207
    assert read_links(answer) == {key: links for key, links in truth.items() if links}
    assert {kind for links in truth.values() for _, kind in links} == types
    none = [key for key, links in truth.items() if not links] + ["17"]
    errors = answer.json()["errors"]
    assert [error["context"]["fromObjectId"] for error in errors] == [
        [key] for key in none
    ]
    assert {error["subCategory"] for error in errors} == {
        "crm.associations.NO_ASSOCIATIONS_FOUND"
    }
    assert answer.json()["numErrors"] == len(none) > 1


def test_both_ends_tell_the_same(hubspot):
    hubspot.crm.configure(associations_inputs=1_000)
    back = {3: 4, 51: 52, 53: 54, 280: 279, 2: 1}
    contacts = [row["source_id"] for row in hubspot.crm.truth("contacts")]

    for entity in ("deals", "companies"):
        there = read_links(hubspot.associated("contacts", entity, *contacts))
        pairs = {(c, k, kind) for c, links in there.items() for k, kind in links}
        assert pairs == {
            (contact, key, back[kind])
            for key, links in linked(hubspot, entity).items()
            for contact, kind in links
        }


def test_a_complete_batch_is_200_with_ids_as_numbers(hubspot):
    deal, links = next(iter(linked(hubspot, "deals").items()))

    answer = hubspot.associated("deals", "contacts", deal)

    assert answer.status_code == 200
    assert "errors" not in answer.json()
    [to] = answer.json()["results"][0]["to"]
    assert to == {"toObjectId": int(links[0][0]), "associationTypes": [_PLAIN]}


def test_most_deals_have_one_contact_some_more_a_few_none(hubspot):
    counts = [
        len({contact for contact, _ in links})
        for links in truth_links(hubspot, "deals").values()
    ]

    assert set(counts) == {0, 1, 2, 3, 4}
    assert counts.count(1) > 80
    assert counts.count(0) < 15


def test_labels_come_beside_the_plain_type(hubspot):
    found = linked(hubspot, "deals")
    for type_id, label in ((51, "Primary"), (53, "Decision maker")):
        deal, links = next(
            (key, links)
            for key, links in found.items()
            if type_id in [kind for _, kind in links]
        )
        contact = next(contact for contact, kind in links if kind == type_id)
        answer = hubspot.associated("deals", "contacts", deal).json()
        [to] = [
            t for t in answer["results"][0]["to"] if t["toObjectId"] == int(contact)
        ]
        assert to["associationTypes"] == [
            _PLAIN,
            {"category": "USER_DEFINED", "typeId": type_id, "label": label},
        ]


def test_each_record_has_pages_of_its_own(hubspot):
    hubspot.crm.configure(associations_page=3)
    found = linked(hubspot, "companies")
    large = next(iter(found))
    expected = sorted({int(contact) for contact, _ in found[large]})
    assert len(expected) > 50

    seen, inputs = [], {"id": large}
    while inputs:
        [result] = hubspot.associated("companies", "contacts", inputs).json()["results"]
        assert len(result["to"]) <= 3
        seen += [to["toObjectId"] for to in result["to"]]
        after = after_of(result)
        inputs = {"id": large, "after": after} if after else None

    assert seen == expected


def test_a_cursor_of_another_record_is_refused(hubspot):
    hubspot.crm.configure(associations_page=1)
    first, second, *_ = linked(hubspot, "companies")
    [result] = hubspot.associated("companies", "contacts", first).json()["results"]
    after = after_of(result)

    for bad in ({"id": second, "after": after}, {"id": first, "after": "5"}):
        assert hubspot.associated("companies", "contacts", bad).status_code == 400


def test_limits_of_a_batch(hubspot):
    assert hubspot.associated("deals", "contacts", *["1"] * 100).status_code == 207
    assert hubspot.associated("deals", "contacts", *["1"] * 101).status_code == 400
    hubspot.crm.configure(associations_inputs=1_000)
    assert hubspot.associated("deals", "contacts", *["1"] * 1_000).status_code == 207
    assert hubspot.associated("deals", "contacts", *["1"] * 1_001).status_code == 400
    assert hubspot.associated("deals", "companies", "1").status_code == 400


def test_objects_show_their_associations_when_asked(hubspot):
    found = linked(hubspot, "deals")
    shown = {r["id"]: r for r in hubspot.all("deals", associations="contacts")}

    for key, record in shown.items():
        if key not in found:
            assert "associations" not in record
            continue
        results = record["associations"]["contacts"]["results"]
        plain = [r["id"] for r in results if r["type"] == "deal_to_contact"]
        assert sorted(plain) == [c for c, kind in found[key] if kind == 3]
        assert len(results) == len(found[key])
        assert "paging" not in record["associations"]["contacts"]
    deal = next(iter(found))
    one = hubspot.get(f"/crm/v3/objects/deals/{deal}", associations="contacts").json()
    assert one["associations"] == shown[deal]["associations"]


def test_objects_show_at_most_a_hundred_and_the_batch_goes_on():
    settings = Settings(prospects=10, sizes={"hubspot": 700}, quota=False)
    with SandboxServer(settings, system="hubspot") as server:
        from hubspot_client import HubSpotApi

        api = HubSpotApi(server)
        company = server.truth("companies")[0]
        path = f"/crm/v3/objects/companies/{company['source_id']}"
        shown = api.get(path, associations="contacts").json()["associations"]
        first = {r["id"] for r in shown["contacts"]["results"]}
        after = after_of(shown["contacts"])
        inputs = {"id": company["source_id"], "after": after}
        [rest] = api.associated("companies", "contacts", inputs).json()["results"]
        api.session.close()

    behind = {str(to["toObjectId"]) for to in rest["to"]}
    everything = {contact for contact, _ in company["links"]}
    assert len(everything) == 150
    assert (len(first), len(behind)) == (100, 50)
    assert first | behind == everything


def test_associations_with_archived_contacts_are_gone(hubspot):
    before = linked(hubspot, "deals")

    gone = set(hubspot.crm.move("contacts", "delete", 120))

    after = linked(hubspot, "deals")
    assert after == {
        key: left
        for key, links in before.items()
        if (left := [link for link in links if link[0] not in gone])
    }
    assert after != before
    hubspot.crm.configure(associations_inputs=1_000)
    assert read_links(hubspot.associated("deals", "contacts", *before)) == after


@pytest.mark.parametrize("entity", ["deals", "companies"])
def test_relinking_changes_no_time_unless_told(hubspot, entity):
    before = truth_links(hubspot, entity)
    times = {r["id"]: r["updatedAt"] for r in hubspot.all(entity)}

    path = f"/{entity}/relink"
    silent = hubspot.crm.admin("POST", path, {"count": 5})["ids"]

    now = truth_links(hubspot, entity)
    assert {key for key in now if now[key] != before[key]} == set(silent)
    assert {r["id"]: r["updatedAt"] for r in hubspot.all(entity)} == times
    loud = hubspot.crm.admin("POST", path, {"count": 5, "touch": True})["ids"]
    moved = {r["id"] for r in hubspot.all(entity) if r["updatedAt"] != times[r["id"]]}
    assert moved == set(loud)
    with pytest.raises(ValueError, match="count"):
        hubspot.crm.admin("POST", path, {"counts": 5})


def test_new_deals_have_associations_too(hubspot):
    new = hubspot.crm.move("deals", "create", 40)

    links = truth_links(hubspot, "deals")

    assert sum(bool(links[key]) for key in new) > 30
