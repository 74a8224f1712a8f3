"""ActiveProspect keeps what every source keeps."""

from tests.integration.conformance import attacks
from tests.integration.conformance.suite import Conformance


class TestActiveProspect(Conformance):
    system = "activeprospect"
    main = "leads"
    email = "email"
    parents = (
        ("leads", "contact_id", "contacts"),
        ("lead_events", "lead_id", "leads"),
    )
    attacks = attacks.JSON
