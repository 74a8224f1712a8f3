"""Faults that change what records look like, in JSON and in XML."""

import pytest
from marketsharp_client import Api as MarketSharpApi


@pytest.fixture
def marketsharp(sandbox):
    with MarketSharpApi(sandbox.crm("marketsharp")) as client:
        yield client


def first(api, path="/users"):
    return api.get(path).json()["data"][0]


def test_a_renamed_field_keeps_its_value_and_its_place(api, sandbox):
    before = first(api)
    sandbox.fault("rename_field", field="email", to="mail", path="/users*", count=1)

    renamed, again = first(api), first(api)

    assert list(renamed) == ["mail" if key == "email" else key for key in before]
    assert renamed["mail"] == before["email"]
    assert again == before


def test_a_dropped_field_is_absent_everywhere(api, sandbox):
    sandbox.fault("drop_field", field="email")

    records = api.get("/users").json()["data"]

    assert records
    assert not any("email" in record for record in records)


def test_a_retyped_field_is_an_object(api, sandbox):
    before = first(api)
    sandbox.fault("retype_field", field="email")

    assert first(api) == {**before, "email": {"value": before["email"]}}


def test_fields_inside_of_hubspots_properties(hubspot, sandbox):
    crm = sandbox.crm("hubspot")
    path = "/crm/v3/objects/contacts"
    before = hubspot.get(path).json()["results"][0]["properties"]
    crm.fault("rename_field", field="email", to="work_email")

    after = hubspot.get(path).json()["results"][0]["properties"]

    assert after["work_email"] == before["email"]
    assert "email" not in after


def test_elements_of_xml(marketsharp, sandbox):
    crm = sandbox.crm("marketsharp")
    before = marketsharp.page("contacts")
    assert any(record.get("Email") for record in before)
    crm.fault("rename_field", field="Email", to="Mail", count=1)
    crm.fault("drop_field", field="Phone", count=1)

    after = marketsharp.page("contacts")

    assert [record.get("Mail") for record in after] == [r.get("Email") for r in before]
    assert not any("Email" in record or "Phone" in record for record in after)

    crm.fault("retype_field", field="Email")
    element = marketsharp.root("/contacts")[0].find("Email")
    assert [child.tag for child in element] == ["Value"]
    assert element.findtext("Value") == before[0]["Email"]


def test_errors_stay_as_they_are(api, sandbox):
    sandbox.fault("drop_field", field="error")

    assert "error" in api.get("/users/999999").json()


@pytest.mark.parametrize(
    "call", [{"kind": "drop_field"}, {"kind": "rename_field", "field": "email"}]
)
def test_a_fault_without_its_field_is_refused(sandbox, call):
    with pytest.raises(ValueError, match="needs the option"):
        sandbox.admin("POST", "/faults", call)
