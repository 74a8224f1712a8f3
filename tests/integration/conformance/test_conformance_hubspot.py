"""HubSpot keeps what every source keeps."""

from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance, MayGiveShortPages


class TestHubSpot(MayGiveShortPages, Conformance):
    system = "hubspot"
    main = "contacts"
    email = "email"
    parents = (
        ("leads", "contact_id", "contacts"),
        ("lead_contacts", "contact_id", "contacts"),
        ("company_contacts", "contact_id", "contacts"),
    )
    attacks = attacks.JSON
