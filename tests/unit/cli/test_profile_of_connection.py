"""A command works with the profile that the source's connection names."""

import json

import pytest
from cli_call import Call


def connect(monkeypatch: pytest.MonkeyPatch, **extra: str) -> None:
    fields = {"login": "4711", "password": "key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETSHARP_DEFAULT", json.dumps(fields))


@pytest.mark.parametrize("command", ["sync", "preview", "reconcile"])
def test_an_entity_of_another_profile_is_no_entity(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    connect(monkeypatch)

    done = call(command, "--source", "marketsharp", "--entity", "appointments")

    assert done.status == 2
    assert (
        "--entity: marketsharp has appointments with profile odata only; name it in"
        " extra of marketsharp_default"
    ) in done.err


def test_an_unknown_profile_names_the_known_ones(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, profile="odatta")

    done = call("preview", "--source", "marketsharp", "--entity", "contacts")

    assert done.status == 2
    assert "there is no profile 'odatta'; known: odata" in done.err
