"""``erase``: shows first, erases when told to, and says what it did."""

import json

import psycopg
import pytest
from cli_call import Call

from tests.proof.connection import postgres_connection

ERASE = ("erase", "--source", "genius", "--entity", "prospects", "--id")
_ROW = (
    "INSERT INTO warehouse.contacts (source_system, source_id, first_name, sync_hash,"
    " observed_at, job_id) VALUES ('genius', '7', 'Zebedee', 'h', now(), 1)"
)
_LEFT = "SELECT first_name, is_deleted FROM warehouse.contacts"


@pytest.fixture
def connected(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A warehouse with one person, and commands that are connected to it."""
    postgres = postgres_connection(warehouse)
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WAREHOUSE", json.dumps(postgres))
    with psycopg.connect(warehouse) as conn:
        conn.execute(_ROW)
    return warehouse


def left(conninfo: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo) as conn:
        return conn.execute(_LEFT).fetchall()


def test_without_yes_it_shows_and_erases_nothing(call: Call, connected: str) -> None:
    status, out, err = call(*ERASE, "7")

    outcome = json.loads(out.splitlines()[-1])
    assert status == 2
    assert (outcome["erased"], outcome["ids"]) == (False, ["7"])
    assert outcome["records"]["warehouse.contacts"] == 1
    assert "--yes" in err
    assert left(connected) == [("Zebedee", False)]


def test_with_yes_it_erases(call: Call, connected: str) -> None:
    status, out, _ = call(*ERASE, "7", "--yes")

    assert (status, json.loads(out.splitlines()[-1])["erased"]) == (0, True)
    assert left(connected) == [(None, True)]


def test_what_is_part_of_the_record_is_erased_with_it(
    call: Call, connected: str
) -> None:
    with psycopg.connect(connected) as conn:
        conn.execute(
            "INSERT INTO warehouse.lead_events (source_system, source_id, reason,"
            " lead_source_id, sync_hash, observed_at, job_id)"
            " VALUES ('activeprospect', 'e1', 'Zebedee', 'L1', 'h', now(), 1)"
        )
    words = ("erase", "--source", "activeprospect", "--entity", "leads", "--id", "L1")

    status, out, _ = call(*words, "--yes")

    outcome = json.loads(out)
    assert (status, outcome["ids"]) == (0, ["L1"])
    assert outcome["records"]["warehouse.lead_events"] == 1
    with psycopg.connect(connected) as conn:
        found = conn.execute("SELECT reason FROM warehouse.lead_events").fetchall()
    assert found == [(None,)]


def test_an_id_that_is_not_here_is_said_and_kept_out(
    call: Call, connected: str
) -> None:
    status, out, err = call(*ERASE, "8", "--yes")

    assert [json.loads(out)[key] for key in ("erased", "kept_out")] == [False, True]
    assert (status, set(json.loads(out)["records"].values())) == (0, {0})
    assert "nothing of genius prospects 8 is here" in err
    with psycopg.connect(connected) as conn:
        kept_out = conn.execute("SELECT source_id FROM ops.erased_records").fetchall()
    assert kept_out == [("8",)]


@pytest.mark.parametrize("given", ["", "ada@example.com", "Ada Lee", "7\n", "7" * 256])
def test_what_can_be_no_id_is_refused(call: Call, connected: str, given: str) -> None:
    status, _, err = call(*ERASE, given, "--yes")

    assert status == 2
    assert "--id: the record's id in the source" in err
    with psycopg.connect(connected) as conn:
        (kept,) = conn.execute("SELECT count(*) FROM ops.erased_records").fetchall()
    assert kept == (0,)


def test_ids_of_hubspot_are_digits(call: Call, connected: str) -> None:
    words = ("erase", "--source", "hubspot", "--entity", "contacts", "--id")

    status, _, err = call(*words, "Ada-Lee", "--yes")

    assert (status, "digits only" in err) == (2, True)
