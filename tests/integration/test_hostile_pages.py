"""A hostile page stops the load at its place: reported, refused, and not lost."""

import pytest

from crm_warehouse.errors import TransientSourceError
from tests.proof.house import Open
from tests.proof.oracle import compare_all

FORMS = (
    "external_entity",
    "entity_bomb",
    "doctype",
    "many_elements",
    "nul",
    "utf16",
    "deep_nesting",
)


@pytest.mark.parametrize("form", FORMS)
def test_the_page_is_refused_reported_and_loaded_later(
    open_house: Open, form: str
) -> None:
    house = open_house("marketsharp")
    house.sandbox.fault("xml_attack", form=form, path="/contacts", query={"page": "3"})

    with pytest.raises(TransientSourceError) as refusal:
        house.sync("contacts")

    (job,) = house.rows("SELECT id, status, error_message FROM ops.sync_jobs")
    assert (job["status"], job["error_message"]) == ("failed", str(refusal.value))
    assert house.rows(
        "SELECT error_type, error_message FROM ops.sync_errors WHERE sync_job_id = %s",
        job["id"],
    ) == [{"error_type": "transient", "error_message": str(refusal.value)}]
    assert house.value("SELECT count(*) FROM warehouse.contacts") == 98
    assert house.value("SELECT count(*) FROM ops.watermarks") == 0

    house.sandbox.clear_faults()
    result = house.sync("contacts")

    assert (result.job_id, result.status) == (job["id"], "success")
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
