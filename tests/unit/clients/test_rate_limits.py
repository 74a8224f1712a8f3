import pytest

from crm_warehouse.clients.rate_limits import Allowance, read_allowances

HUBSPOT = {
    "X-HubSpot-RateLimit-Max": "100",
    "X-HubSpot-RateLimit-Remaining": "93",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    "X-HubSpot-RateLimit-Daily": "250000",
    "X-HubSpot-RateLimit-Daily-Remaining": "249000",
}


def test_hubspot_tells_two_quotas() -> None:
    assert read_allowances(HUBSPOT) == (
        Allowance(100, 93, 10.0),
        Allowance(250_000, 249_000, 86_400.0),
    )


def test_names_compare_without_case() -> None:
    lower = {name.lower(): text for name, text in HUBSPOT.items()}
    assert read_allowances(lower) == read_allowances(HUBSPOT)


def test_hubspots_daily_quota_may_be_absent() -> None:
    """As for OAuth apps."""
    fields = {n: t for n, t in HUBSPOT.items() if "Daily" not in n}
    assert read_allowances(fields) == (Allowance(100, 93, 10.0),)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "4"},
            Allowance(1000, 4, None),
        ),
        ({"X-RateLimit-Remaining": "0"}, Allowance(None, 0, None)),
        (
            {
                "RateLimit-Limit": "60",
                "RateLimit-Remaining": "59",
                "RateLimit-Reset": "8",
            },
            Allowance(60, 59, None),
        ),
        (
            {"RateLimit-Limit": "60, 60;w=60", "RateLimit-Remaining": "59"},
            Allowance(60, 59, 60.0),
        ),
        (
            {
                "RateLimit-Limit": "60",
                "RateLimit-Policy": "60; w=3600",
                "RateLimit-Remaining": "59",
            },
            Allowance(60, 59, 3600.0),
        ),
    ],
)
def test_the_usual_forms(fields: dict[str, str], expected: Allowance) -> None:
    assert read_allowances(fields) == (expected,)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Content-Type": "application/json"},
        {"X-RateLimit-Limit": "1000"},
        {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "many"},
        {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "-1"},
        {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": ""},
        {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Limit": "none", "X-RateLimit-Remaining": "5"},
        {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "11"},
        {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "1.5"},
        {"X-RateLimit-Limit": "9" * 400, "X-RateLimit-Remaining": "9" * 400},
        {"X-RateLimit-Limit": "2000000000", "X-RateLimit-Remaining": "5"},
        {"RateLimit-Limit": "60;w=0", "RateLimit-Remaining": "59"},
        {n: t for n, t in HUBSPOT.items() if n.endswith(("Max", "Limit-Remaining"))},
        {**HUBSPOT, **dict.fromkeys(HUBSPOT, "\N{SUPERSCRIPT TWO}")},
    ],
)
def test_what_makes_no_sense_says_nothing(fields: dict[str, str]) -> None:
    assert read_allowances(fields) == ()
