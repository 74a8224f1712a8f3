"""The SQL of ``sql/receiver``; all its values are parameters."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "sql" / "receiver"


@cache
def statement(name: str) -> bytes:
    """Statement ``sql/receiver/<name>.sql``."""
    return (FOLDER / f"{name}.sql").read_bytes()
