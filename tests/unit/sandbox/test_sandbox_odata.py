"""MarketSharp's OData service of the sandbox: bad records, circles, moving rows."""

import pytest
import requests
from lxml import etree

from include.sandbox.clock import EPOCH
from tests.integration.odata_house import ODataCrm

META = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"


@pytest.fixture
def crm(sandbox):
    return ODataCrm(sandbox.crm("marketsharp"))


def page(crm, **options):
    """Properties of the entries of a page of contacts; None is null."""
    query = {"$orderby": "lastUpdate,id", "$top": "20"}
    answer = requests.get(
        crm.base_url + "/Contacts",
        params=query | {f"${name}": text for name, text in options.items()},
        headers={"Authorization": crm.token.current()},
        timeout=5,
    )
    assert answer.status_code == 200
    return [
        {etree.QName(each).localname: value(each) for each in properties}
        for properties in etree.fromstring(answer.content).iter(META + "properties")
    ]


def value(element):
    return None if element.get(META + "null") else element.text or ""


def newest(crm):
    """What changed since the sandbox began."""
    return page(crm, filter=f"lastUpdate ge datetime'{EPOCH:%Y-%m-%dT%H:%M:%S}'")


def line_of(crm, defect):
    [line] = [each for each in crm.truth("contacts") if each["defect"] == defect]
    return line


def test_a_record_without_an_id_is_shown_and_told(crm):
    crm.move("contacts", "spoil", kind="missing_id")

    [bad] = newest(crm)

    assert bad["id"] is None
    told = line_of(crm, "missing_id")
    assert (told["source_id"], told["expect"]) == (None, "reject")


def test_a_time_that_is_none_stays_what_it_is(crm):
    crm.move("contacts", "spoil", kind="bad_created_date")

    [bad] = newest(crm)

    assert not bad["createdDate"].startswith("202") or "-13-" in bad["createdDate"]
    told = line_of(crm, "bad_created_date")
    assert (told["source_id"], told["source_created_at"]) == (bad["id"], None)
    assert told["warnings"] == ["source_created_at"]


def test_a_property_that_nobody_knows(crm):
    crm.move("contacts", "spoil", kind="unknown_fields")

    [strange] = newest(crm)

    assert strange["RoofPitch"].endswith("/12")
    assert "Tag" in strange


def test_a_list_in_a_circle_forgets_the_filter(crm):
    first = page(crm)
    behind = f"lastUpdate gt datetime'{first[-1]['lastUpdate']}'"
    assert page(crm, filter=behind)[0] not in first
    crm.fault("loop", path="/Contacts")

    assert page(crm, filter=behind) == first


def test_what_is_shown_first_becomes_inactive_and_goes_last(crm):
    crm.fault("page_shift", path="/Contacts", count=1)

    first, *others = page(crm)
    after = page(crm)

    assert after[: len(others)] == others
    [gone] = newest(crm)
    assert (gone["id"], gone["isActive"]) == (first["id"], "false")
    assert first["id"] not in {line["source_id"] for line in crm.truth("contacts")}


@pytest.mark.parametrize("kind", ["rename_field", "drop_field", "retype_field"])
def test_fields_drift_whatever_their_prefix(crm, kind):
    before = page(crm)
    options = {"to": "mail"} if kind == "rename_field" else {}
    crm.fault(kind, field="email1", **options)

    after = page(crm)

    for was, now in zip(before, after, strict=True):
        if kind == "retype_field":
            assert now["email1"] == ("" if was["email1"] else was["email1"])
            continue
        assert "email1" not in now
        assert now.get("mail") == (was["email1"] if kind == "rename_field" else None)
