"""MarketSharp's real API keeps what every source keeps.

Its other entities have no moves of their own: ``test_marketsharp_odata.py`` has them.
"""

from collections.abc import Callable

import pytest

from include.sandbox.server import SandboxServer
from tests.integration.conformance import attacks
from tests.integration.conformance.looking import equal
from tests.integration.conformance.suite import PAGE, Conformance, MayGiveShortPages
from tests.integration.odata_house import ODataHouse
from tests.proof.house import House


@pytest.fixture
def open_house(warehouse: str, sandbox: SandboxServer) -> Callable[[str], House]:
    """A house of the profile."""

    def open_house(system: str) -> House:
        crm = sandbox.crm(system)
        crm.configure(quota={"enabled": False})
        return ODataHouse(warehouse, crm)

    return open_house


class TestOData(MayGiveShortPages, Conformance):
    system = "marketsharp"
    main = "contacts"
    email = "email1"
    parents = (
        ("leads", "contact_id", "contacts"),
        ("jobs", "contact_id", "contacts"),
        ("activities", "contact_id", "contacts"),
    )
    attacks = attacks.XML

    def test_a_bad_record_at_the_end_of_a_page_is_not_the_end(
        self, house: House
    ) -> None:
        """What has no id is no place to go on from; the record before it is."""
        good = len(house.sandbox.truth(self.main)) - 1
        house.sandbox.move(self.main, "spoil", kind="missing_id")
        # The newest was last of a full page, and now has others behind it.
        house.sandbox.move(self.main, "create", 7)
        assert (good + 1) % PAGE == 0

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert (result.status, result.records_failed) == ("partial", 1)
        assert result.records_created == good + 7
        assert equal(house, self.main)
