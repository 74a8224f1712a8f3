"""MarketSharp keeps what every source keeps."""

from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance


class TestMarketSharp(Conformance):
    system = "marketsharp"
    main = "contacts"
    email = "Email"
    parents = (
        ("leads", "contact_id", "contacts"),
        ("jobs", "contact_id", "contacts"),
        ("activities", "contact_id", "contacts"),
    )
    attacks = attacks.XML
