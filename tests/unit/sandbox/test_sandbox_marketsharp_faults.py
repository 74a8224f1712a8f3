"""MarketSharp: faults of numbered pages, and XML that attacks its reader."""

import pytest
from lxml import etree
from marketsharp_client import Api, fields, ids

from include.sandbox.faults import XML_ATTACKS


@pytest.fixture
def crm(sandbox):
    return sandbox.crm("marketsharp")


@pytest.fixture
def api(crm):
    with Api(crm) as client:
        yield client


def test_repeated_page_and_loop(api, crm):
    crm.fault("repeat_page", query={"page": 2}, count=1)
    first, second, again = [ids(api.page("contacts", page=p)) for p in (1, 2, 2)]
    crm.fault("loop", page=2)
    looped = [ids(api.page("contacts", page=p)) for p in (1, 3, 99)]

    assert second == first
    assert not set(again) & set(first)
    assert looped == [first, again, again]


def test_page_shift_hides_a_record_from_the_next_page(api, crm):
    everything = ids(api.all("contacts"))
    crm.fault("page_shift", path="/contacts", query={"page": 1}, count=1)

    seen = [key for p in (1, 2, 3, 4) for key in ids(api.page("contacts", page=p))]

    assert [key for key in everything if key not in seen] == [everything[50]]
    assert crm.deleted("contacts") == [everything[0]]


def attacked(api, crm, form):
    crm.fault("xml_attack", form=form, count=1)
    answer = api.get("/contacts")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/xml"
    return answer.content


def test_documents_that_reach_out_or_blow_up(api, crm):
    outside, bomb = [
        attacked(api, crm, form) for form in ("external_entity", "entity_bomb")
    ]

    root = etree.fromstring(outside, etree.XMLParser(resolve_entities=False))
    assert root.findtext("Contact/ID") == "1"
    assert [child.text for child in root.find("Contact/Status")] == ["&file;"]
    assert b'<!ENTITY file SYSTEM "file:///etc/passwd">' in outside
    assert bomb.count(b"<!ENTITY") == 11
    assert bomb.count(b"&e9;") == 10
    assert bomb.endswith(b"<Status>&e10;</Status></Contact></Contacts>")
    with pytest.raises(etree.XMLSyntaxError, match="amplification"):
        etree.fromstring(bomb)


def test_the_right_page_with_a_doctype_or_in_utf_16(api, crm):
    right = api.page("contacts")
    typed, wide = attacked(api, crm, "doctype"), attacked(api, crm, "utf16")

    assert b"?><!DOCTYPE Contacts><Contacts>" in typed
    assert wide.startswith(b"\xff\xfe<\x00?\x00x\x00m\x00l\x00")
    for body in (typed, wide):
        assert [fields(element) for element in etree.fromstring(body)] == right


def test_documents_of_many_or_deep_elements_or_with_nul(api, crm):
    many, deep, nul = [
        attacked(api, crm, form) for form in ("many_elements", "deep_nesting", "nul")
    ]

    assert many.count(b"<e/>") == 2_000_000
    assert many.endswith(b"</Status></Contact></Contacts>")
    assert deep.count(b"<d>") == deep.count(b"</d>") == 100_000
    assert b"<Status>Pros\x00pect</Status>" in nul
    for body, message in ((deep, "depth"), (nul, "Char 0x0|invalid|NUL|Premature")):
        with pytest.raises(etree.XMLSyntaxError, match=message):
            etree.fromstring(body)


def test_after_an_attack_the_page_is_right_again(api, crm):
    right = api.get("/contacts").content

    assert all(attacked(api, crm, form) != right for form in XML_ATTACKS)
    assert api.get("/contacts").content == right


@pytest.mark.parametrize("options", [{}, {"form": "zip"}])
def test_an_unknown_attack_is_refused(crm, options):
    with pytest.raises(ValueError, match="form is one of"):
        crm.fault("xml_attack", **options)
