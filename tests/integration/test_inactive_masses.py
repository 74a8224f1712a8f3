"""A source that suddenly says of most records that they are not active."""

import pytest
from test_odata_traps import crm, odata, small_sandbox

from crm_warehouse.errors import GuardError, TransientSourceError
from include.sandbox.crm import Crm
from include.sandbox.marketsharp.odata import SERVICE
from tests.integration.odata_house import ODataHouse

__all__ = ["crm", "odata", "small_sandbox"]

DELETED = "SELECT count(*) FROM warehouse.contacts WHERE is_deleted"
FIGURES = (
    "SELECT details -> 'missing' FROM ops.audit_log"
    " WHERE action = 'job.guard_overridden'"
)


@pytest.mark.parametrize(
    ("mode", "before"),
    # A full load lists them last: half of them in a chunk of 40, which is no mass yet.
    [("incremental", 0), ("full", 20)],
)
def test_a_mass_of_them_stops_any_load_and_a_full_one_may_pass(
    odata: ODataHouse, crm: Crm, mode: str, before: int
) -> None:
    odata.sync("contacts", "full")
    crm.move("contacts", "delete", 40)

    with pytest.raises(GuardError) as caught:
        odata.sync("contacts", mode)

    assert caught.value.guard == "mass_delete"
    told = "the source says of 40 of 100 live records that they were deleted there"
    assert told in str(caught.value)
    assert str(caught.value).endswith("with mode full and override mass_delete")
    assert odata.value(DELETED) == before
    passed = odata.sync("contacts", "full", override=frozenset({"mass_delete"}))
    assert (passed.status, passed.records_deleted) == ("success", 40)
    assert odata.value(FIGURES) == 40
    assert odata.held("contacts") == odata.truth("contacts")


def test_few_of_them_are_deleted_as_ever(odata: ODataHouse, crm: Crm) -> None:
    odata.sync("contacts", "full")
    crm.move("contacts", "delete", 20)

    assert odata.sync("contacts").records_deleted == 20


def test_what_an_attempt_before_deleted_counts(odata: ODataHouse, crm: Crm) -> None:
    odata.sync("contacts", "full")
    crm.move("contacts", "delete", 30)
    crm.fault("reset", path=SERVICE + "/Contacts", after=1, count=4)
    with pytest.raises(TransientSourceError):
        odata.sync("contacts", batch_size=10)
    assert odata.value(DELETED) == 10
    crm.clear_faults()

    with pytest.raises(GuardError, match=r"says of 30 of 100 .* the last 20 were not"):
        odata.sync("contacts", batch_size=10)

    assert odata.value(DELETED) == 10
    assert odata.value("SELECT count(*) FROM ops.sync_jobs") == 2  # it was resumed
