"""Case 36: a source renames, drops, retypes or adds fields.

Nothing is lost, nothing collides, and somebody is told before rows lose their values.
"""

from dataclasses import replace

import pytest

from crm_warehouse.engine import reading
from crm_warehouse.errors import GuardError
from crm_warehouse.spec import FieldMap
from tests.proof.house import House, Open
from tests.proof.meddler import MAIN
from tests.proof.oracle import compare

#: System -> what it calls an e-mail address.
EMAIL = {
    "genius": "email",
    "hubspot": "email",
    "marketsharp": "Email",
    "activeprospect": "email",
}
FILLED = "SELECT count(*) FROM warehouse.contacts WHERE email_normalized IS NOT NULL"
OVERRIDDEN = "SELECT details FROM ops.audit_log WHERE action = 'job.guard_overridden'"


@pytest.fixture(autouse=True)
def whole_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a list of these is one chunk."""
    monkeypatch.setattr(reading, "_CHUNK_SECONDS", 3600.0)


def loaded(open_house: Open, system: str) -> House:
    house = open_house(system)
    house.sync(MAIN[system], "full")
    return house


def stopped(house: House) -> GuardError:
    with pytest.raises(GuardError) as caught:
        house.sync(MAIN[house.source.name], "full")
    assert caught.value.guard == "schema_break"
    return caught.value


@pytest.mark.parametrize("kind", ["rename_field", "drop_field", "retype_field"])
@pytest.mark.parametrize("system", MAIN)
def test_a_field_that_is_not_what_it_was_stops_the_load(
    open_house: Open, system: str, kind: str
) -> None:
    house = loaded(open_house, system)
    filled = house.value(FILLED)
    options = {"to": "work_mail"} if kind == "rename_field" else {}
    house.sandbox.fault(kind, field=EMAIL[system], **options)

    error = stopped(house)

    assert "email_normalized of warehouse.contacts came empty" in str(error) or (
        "email, email_normalized of warehouse.contacts came empty" in str(error)
    )
    assert house.value(FILLED) == filled > 100
    job = house.rows("SELECT * FROM ops.sync_jobs ORDER BY id DESC LIMIT 1")[0]
    assert (job["status"], job["error_type"]) == ("failed", "guard")
    assert (job["chunks"], job["records_processed"]) == (0, 0)
    # Once the source has mended it, the next load ends as if nothing had been.
    house.sandbox.clear_faults()
    assert house.sync(MAIN[system], "full").status == "success"
    assert not compare(house.conninfo, house.sandbox, MAIN[system])


@pytest.mark.parametrize("system", ["genius", "marketsharp", "activeprospect"])
def test_ids_under_another_name_stop_the_load(open_house: Open, system: str) -> None:
    house = loaded(open_house, system)
    ident = "ID" if system == "marketsharp" else "id"
    house.sandbox.fault("rename_field", field=ident, to="number")

    with pytest.raises(GuardError) as caught:
        house.sync(MAIN[system], "full")

    assert caught.value.guard == "schema_break"
    house.sandbox.clear_faults()
    assert house.sync(MAIN[system], "full").status == "success"
    assert not compare(house.conninfo, house.sandbox, MAIN[system])


def test_a_rename_that_is_meant_loses_nothing(open_house: Open) -> None:
    """It passes with an override; raw keeps it, and a new mapping brings it back."""
    house = loaded(open_house, "genius")
    emails = "SELECT source_id, email FROM warehouse.contacts ORDER BY 1"
    before = house.rows(emails)
    house.sandbox.fault("rename_field", field="email", to="work_mail")
    stopped(house)

    result = house.sync("prospects", "full", override=frozenset({"schema_break"}))

    having = sum(row["email"] is not None for row in before)
    assert (result.status, result.records_updated) == ("success", having)
    assert house.value(FILLED) == 0
    (audited,) = house.rows(OVERRIDDEN)
    assert audited["details"]["guard"] == "schema_break"
    assert audited["details"]["records"] == 600
    assert "email" in audited["details"]["columns"]

    entity = house.source.entities["prospects"]
    fields = tuple(
        FieldMap("email", (("work_mail",),)) if line.target == "email" else line
        for line in entity.fields
    )
    changed = replace(entity, fields=fields)
    house.source = replace(house.source, entities={"prospects": changed})
    house.sync("prospects", "replay")

    assert house.rows(emails) == before
    # From now on it is the mapping's field, and no guard minds.
    assert house.sync("prospects", "full").records_unchanged == 600


def test_names_that_are_alike_for_63_bytes_stay_two(open_house: Open) -> None:
    house = loaded(open_house, "genius")
    names = {"city": "x" * 63 + "a", "state": "x" * 63 + "b"}
    for field, to in names.items():
        house.sandbox.fault("rename_field", field=field, to=to)

    house.sync("prospects", "full", override=frozenset({"schema_break"}))

    payloads = house.rows("SELECT payload FROM raw.genius_prospects")
    truth = {line["source_id"]: line for line in house.sandbox.truth("prospects")}
    assert len(payloads) == len(truth)
    for (payload,) in (row.values() for row in payloads):
        line = truth[str(payload["id"])]
        assert payload[names["city"]] == line["city"]
        assert payload[names["state"]] == line["state"]


@pytest.mark.parametrize("system", MAIN)
def test_new_fields_are_kept_and_disturb_nothing(open_house: Open, system: str) -> None:
    house = loaded(open_house, system)
    house.sandbox.move(MAIN[system], "spoil", 100, kind="unknown_fields")

    result = house.sync(MAIN[system], "full")

    assert (result.status, result.records_failed) == ("success", 0)
    assert not compare(house.conninfo, house.sandbox, MAIN[system])
