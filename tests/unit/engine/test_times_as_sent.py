"""Times in the forms that sources send most, which take a shorter way."""

import pytest

from crm_warehouse.engine.values import UnusableValueError, timestamp


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("2025-06-15T10:30:00Z", "2025-06-15T10:30:00Z"),
        ("2025-06-15T10:30:00.787Z", "2025-06-15T10:30:00.787Z"),
        ("2025-06-15T10:30:00.780Z", "2025-06-15T10:30:00.78Z"),
        ("2025-06-15T10:30:00.000Z", "2025-06-15T10:30:00Z"),
        ("2025-06-15T10:30:00,780Z", "2025-06-15T10:30:00.78Z"),
        ("2025-06-15 10:30:00.780Z", "2025-06-15T10:30:00.78Z"),
        ("20250615T10:30:00.78000Z", "2025-06-15T10:30:00.78Z"),
        ("2025-06-15T10:30:00.780+02:00", "2025-06-15T08:30:00.78Z"),
    ],
)
def test_one_instant_has_one_text(sent: str, written: str) -> None:
    assert timestamp(sent) == written


@pytest.mark.parametrize(
    "sent", ["2025-02-30T10:30:00.000Z", "2025-06-15T10:61:00.000Z", "Z", "25:00Z"]
)
def test_what_is_no_time_is_refused(sent: str) -> None:
    with pytest.raises(UnusableValueError):
        timestamp(sent)
