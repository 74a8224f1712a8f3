"""Keap equals its sandbox's truth."""

from pathlib import Path

from tests.conftest import postgres, warehouse, warehouse_template
from tests.proof.described_source import DescribedSource

__all__ = ["postgres", "warehouse", "warehouse_template"]  # fixtures

HERE = Path(__file__).parent


class TestKeap(DescribedSource):
    """Full load, increment, deletions, bad records, nothing new."""

    source_file = HERE / "sources/keap.yaml"
    described_by = HERE / "sandbox.json"
    own_migrations = HERE / "migrations"
