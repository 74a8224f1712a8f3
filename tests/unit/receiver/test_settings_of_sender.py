"""Who may post is in the source's connection, and nothing is guessed."""

import json
from typing import Any

import pytest

from crm_warehouse.errors import ConfigurationError
from webhook_receiver.settings import Settings, from_environment
from webhook_receiver.verifiers import VERIFIERS

URL = "https://hooks.example.com"
GOOD = {"webhook_secrets": ["canary one", "canary two"], "public_url": URL}
WAREHOUSE = {"AIRFLOW_CONN_CRM_WAREHOUSE": "postgres://crm:canary@127.0.0.1/warehouse"}


def settings(extra: dict[str, Any] | None, **variables: str) -> Settings:
    env = {"CRM_WAREHOUSE_CONNECTIONS": "/nowhere/sealed", **WAREHOUSE, **variables}
    if extra is not None:
        connection = {"conn_type": "hubspot", "extra": extra}
        env["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = json.dumps(connection)
    return from_environment(VERIFIERS, env)


def test_all_secrets_and_the_url_are_taken() -> None:
    made = settings({**GOOD, "public_url": f"{URL}/crm/"})

    assert made.problems == {}
    assert made.senders["hubspot"].secrets == (b"canary one", b"canary two")
    assert made.senders["hubspot"].public_url == f"{URL}/crm"
    assert "canary" not in repr(made) + repr(made.senders)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (None, "'hubspot_default' is not known"),
        ({}, "needs webhook_secrets"),
        ({"public_url": URL, "client_secret": "canary"}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": []}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": "canary"}, "needs webhook_secrets"),
        ({**GOOD, "webhook_secrets": ["canary", " "]}, "entry without text"),
        ({**GOOD, "webhook_secrets": ["canary", 1]}, "entry without text"),
        ({"webhook_secrets": ["canary"]}, "needs public_url"),
        ({**GOOD, "public_url": "http://hooks.example.com"}, "begin with https"),
        ({**GOOD, "public_url": "hooks.example.com"}, "must be a whole URL"),
        ({**GOOD, "public_url": f"{URL}/?canary=1"}, "neither query nor"),
    ],
)
def test_what_is_missing_is_named(extra: dict[str, Any] | None, problem: str) -> None:
    made = settings(extra)

    assert made.senders == {}
    assert problem in made.problems["hubspot"]
    assert "canary" not in made.problems["hubspot"]


def test_durability_is_demanded_but_of_a_developer() -> None:
    assert settings(None).demand_durable
    assert settings(None, CRM_WAREHOUSE_ENV="prod").demand_durable
    assert not settings(None, CRM_WAREHOUSE_ENV="dev").demand_durable


def test_without_a_warehouse_there_is_no_receiver() -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_CRM_WAREHOUSE"):
        settings(GOOD, AIRFLOW_CONN_CRM_WAREHOUSE="")
