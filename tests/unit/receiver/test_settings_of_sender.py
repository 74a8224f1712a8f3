"""Who may post is in the source's connection, and nothing is guessed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.settings import Settings, from_environment
from webhook_receiver.verifiers import VERIFIERS

URL = "https://hooks.example.com"
GOOD = {"webhook_secrets": ["canary one", "canary two"], "public_url": URL}
WAREHOUSE = {"AIRFLOW_CONN_CRM_WAREHOUSE": "postgres://crm:canary@127.0.0.1/warehouse"}

SOON = "2026-12-01T00:00:00Z"
RATE = {"per_second": 0.5, "burst": 10}


def ended(until: Any) -> dict[str, Any]:
    return {"secret": "canary", "until": until}


def settings(extra: dict[str, Any] | None, **variables: str) -> Settings:
    env = {"CRM_WAREHOUSE_CONNECTIONS": "/nowhere/sealed", **WAREHOUSE, **variables}
    if extra is not None:
        connection = {"conn_type": "hubspot", "extra": extra}
        env["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = json.dumps(connection)
    return from_environment(VERIFIERS, env)


def test_all_secrets_and_the_url_are_taken() -> None:
    made = settings({**GOOD, "public_url": f"{URL}/crm/"})

    assert made.problems.keys() == {"activeprospect"}
    assert made.senders["hubspot"].active(0) == (b"canary one", b"canary two")
    assert made.senders["hubspot"].public_url == f"{URL}/crm"
    assert made.senders["hubspot"].versions == {"v3"}
    assert made.senders["hubspot"].networks == ()
    assert made.senders["hubspot"].header == "x-api-key"
    assert made.senders["hubspot"].rate.per_second == 5000
    assert made.proxies == 0
    assert [str(each) for each in made.metrics_networks] == ["127.0.0.0/8", "::1/128"]
    assert "canary" not in repr(made) + repr(made.senders)


def test_a_secret_may_have_an_end() -> None:
    until = "2026-12-01T01:00:00+01:00"
    made = settings(
        {**GOOD, "webhook_secrets": [{"secret": "old", "until": until}, "new"]}
    )

    end = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1000)
    assert made.senders["hubspot"].active(end - 1) == (b"old", b"new")
    assert made.senders["hubspot"].active(end) == (b"new",)


def test_versions_networks_and_header_are_taken() -> None:
    more = {
        "signature_versions": ["v3", "v1"],
        "allowed_networks": ["198.51.100.0/24", "2001:db8::/32", "203.0.113.9"],
        "webhook_header": "X-Lead-Secret",
        "webhook_rate": RATE,
    }
    sender = settings({**GOOD, **more}).senders["hubspot"]

    assert sender.versions == {"v1", "v3"}
    assert [str(each) for each in sender.networks] == [
        "198.51.100.0/24",
        "2001:db8::/32",
        "203.0.113.9/32",
    ]
    assert sender.header == "x-lead-secret"
    assert (sender.rate.per_second, sender.rate.burst) == (0.5, 10)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (None, "'hubspot_default' is not known"),
        ({}, "needs webhook_secrets"),
        ({"public_url": URL, "client_secret": "canary"}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": []}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": "canary"}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": ["canary", " "]}, "(number 2) without text"),
        ({**GOOD, "webhook_secrets": ["canary\n"]}, "with blanks at an end"),
        ({**GOOD, "webhook_secrets": [{"secret": " canary"}]}, "with blanks at"),
        ({**GOOD, "webhook_secrets": ["canary", 1]}, "(number 2) without text"),
        ({**GOOD, "webhook_secrets": ["a", {"until": SOON}]}, "(number 2) without"),
        ({**GOOD, "webhook_secrets": [{"secret": ""}]}, "(number 1) without text"),
        ({**GOOD, "webhook_secrets": [ended("canary")]}, "no time with its zone"),
        ({**GOOD, "webhook_secrets": [ended("2026-12-01")]}, "no time with its"),
        ({**GOOD, "webhook_secrets": [ended("2026-02-30T00:00:00Z")]}, "no time"),
        ({**GOOD, "webhook_secrets": [ended(1_790_000_000)]}, "no time with its"),
        ({**GOOD, "webhook_secrets": [ended(None)]}, "no time with its zone"),
        ({**GOOD, "webhook_secrets": [{"secret": "canary", "til": SOON}]}, "other"),
        ({**GOOD, "signature_versions": []}, "signature_versions"),
        ({**GOOD, "signature_versions": ["v1"]}, "with v3 among them"),
        ({**GOOD, "signature_versions": ["v3", "canary"]}, "signature_versions"),
        ({**GOOD, "signature_versions": "v3"}, "signature_versions"),
        ({**GOOD, "signature_versions": [["v3"]]}, "signature_versions"),
        ({**GOOD, "allowed_networks": []}, "allowed_networks"),
        ({**GOOD, "allowed_networks": "198.51.100.0/24"}, "allowed_networks"),
        ({**GOOD, "allowed_networks": ["198.51.100.1/24"]}, "allowed_networks"),
        ({**GOOD, "allowed_networks": ["canary"]}, "allowed_networks"),
        ({**GOOD, "allowed_networks": [1]}, "allowed_networks"),
        ({**GOOD, "webhook_header": ""}, "webhook_header"),
        ({**GOOD, "webhook_header": "X_Key"}, "webhook_header"),
        ({**GOOD, "webhook_header": "X-Key: canary"}, "webhook_header"),
        ({**GOOD, "webhook_header": 1}, "webhook_header"),
        ({**GOOD, "webhook_rate": 5}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {"per_second": 5}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "burst": 0}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "burst": 2.5}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "burst": True}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "per_second": 0}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "per_second": "canary"}}, "webhook_rate"),
        ({**GOOD, "webhook_rate": {**RATE, "canary": 1}}, "webhook_rate"),
        ({"webhook_secrets": ["canary"]}, "needs public_url"),
        ({**GOOD, "public_url": "http://hooks.example.com"}, "begin with https"),
        ({**GOOD, "public_url": "hooks.example.com"}, "must be a whole URL"),
        ({**GOOD, "public_url": f"{URL}/?canary=1"}, "neither query nor"),
    ],
)
def test_what_is_missing_is_named(extra: dict[str, Any] | None, problem: str) -> None:
    made = settings(extra)

    assert made.senders == {}
    assert "'hubspot_default'" in made.problems["hubspot"]
    assert problem in made.problems["hubspot"]
    assert "canary" not in made.problems["hubspot"]


def test_durability_is_demanded_but_of_a_developer() -> None:
    assert settings(None).demand_durable
    assert settings(None, CRM_WAREHOUSE_ENV="prod").demand_durable
    assert not settings(None, CRM_WAREHOUSE_ENV="dev").demand_durable


def test_without_a_warehouse_there_is_no_receiver() -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_CRM_WAREHOUSE"):
        settings(GOOD, AIRFLOW_CONN_CRM_WAREHOUSE="")


@pytest.mark.parametrize(("text", "number"), [("", 0), (" 2 ", 2), ("0", 0)])
def test_the_number_of_proxies(text: str, number: int) -> None:
    assert settings(None, CRM_WAREHOUSE_PROXIES=text).proxies == number


@pytest.mark.parametrize("text", ["-1", "one", "1.0", "10", "\xb2"])
def test_a_number_of_proxies_that_is_none_stops_the_receiver(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CRM_WAREHOUSE_PROXIES"):
        settings(None, CRM_WAREHOUSE_PROXIES=text)
