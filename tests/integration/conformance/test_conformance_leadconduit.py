"""LeadConduit keeps what every source keeps, as far as a log of events can.

It is append-only: nothing is deleted, and no page moves. Of its steps the sandbox tells
another truth, with which ``test_leadconduit.py`` compares.
"""

from collections.abc import Callable
from typing import Any

import pytest
from leadconduit_house import real_house

from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance
from tests.proof.house import House


@pytest.fixture
def open_house(warehouse: str, sandbox: Any) -> Callable[[str], House]:
    """A house of the profile."""
    return lambda system: real_house(warehouse, sandbox.crm(system))


class TestLeadConduit(Conformance):
    system = "activeprospect"
    main = "leads"
    entities = ("leads",)
    email = "email"
    parents = (("leads", "contact_id", "contacts"),)
    attacks = attacks.JSON

    #: A log deletes nothing, and no full load takes what is old for deleted.
    test_a_full_load_marks_exactly_what_was_deleted = None  # type: ignore[assignment]

    #: Pages hold events, of which few are leads: chunks and pages do not match.
    test_killed_within_a_page_it_goes_on = None  # type: ignore[assignment]

    @pytest.mark.parametrize("kind", ["rename_field", "drop_field"])
    def test_a_field_that_is_not_what_it_was_loses_nothing(
        self, house: House, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """A value inside an object is nothing new here."""
        super().test_a_field_that_is_not_what_it_was_loses_nothing(
            house, monkeypatch, kind
        )
