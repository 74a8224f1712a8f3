"""Keap keeps what every source keeps, without a line of code of its own."""

from pathlib import Path

from tests.integration.conformance.described import DescribedConformance

KEAP = Path(__file__).parents[3] / "examples" / "keap"


class TestKeap(DescribedConformance):
    source_file = KEAP / "sources" / "keap.yaml"
    described_by = KEAP / "sandbox.json"
    own_migrations = KEAP / "migrations"
    main = "contacts"
    email = "email"
    parents = (("appointments", "contact_id", "contacts"),)
