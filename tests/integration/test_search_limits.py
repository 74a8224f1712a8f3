"""HubSpot's search has limits that lose records elsewhere; here it loses none."""

from collections.abc import Iterator

import pytest

from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.house import Open
from tests.proof.oracle import compare_all


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxServer]:
    """A portal of 30,000 contacts."""
    with SandboxServer(Settings(prospects=1, sizes={"hubspot": 30_000})) as server:
        yield server


@pytest.mark.parametrize("id_order", ["number", "text"])
def test_thirty_thousand_changes_of_which_most_share_a_millisecond(
    open_house: Open, id_order: str
) -> None:
    house = open_house("hubspot")
    house.sandbox.configure(id_order=id_order)
    house.sync("contacts", "full")
    house.sandbox.move("contacts", "change", 5_000)
    house.sandbox.move("contacts", "stamp", 25_000)

    result = house.sync("contacts")

    touched = house.value(
        "SELECT count(*) FROM raw.hubspot_contacts WHERE job_id = %s", result.job_id
    )
    assert result.status == "success"
    # 25,000 were drawn from all 30,000, so some had been changed.
    assert 25_000 < touched == result.records_updated < 30_000
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}
    refused = house.sandbox.stats()["by_route"][
        "POST /hubspot/crm/v3/objects/contacts/search"
    ]
    assert set(refused) == {"200"}
