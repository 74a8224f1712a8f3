"""Genius keeps what every source keeps."""

from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance


class TestGenius(Conformance):
    system = "genius"
    main = "prospects"
    email = "email"
    alone = ("divisions", "marketing_sources")
    parents = (
        ("appointments", "contact_id", "contacts"),
        ("appointments", "user_id", "users"),
    )
    attacks = attacks.JSON
