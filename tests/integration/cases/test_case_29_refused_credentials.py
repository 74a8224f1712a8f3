"""Case 29: a key that is revoked while a load runs.

The keys of the four sources do not expire by themselves, so nothing is refreshed: a
person renews them.
"""

import logging
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import AuthenticationError
from tests.proof.house import House, Open
from tests.proof.meddler import MAIN
from tests.proof.oracle import compare_all

KEY = "a-key-that-nobody-may-read-7f3c9d"


class _OtherKey(House):
    """Asks with another key than the CRM's."""

    def open_client(self, gate: Any) -> Any:
        return build_client(
            self.source, base_url=self.sandbox.base_url, token=KEY, gate=gate
        )


def everything(conninfo: str) -> str:
    """All that the database holds, as text."""
    with psycopg.connect(conninfo) as conn:
        tables = conn.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE"
            " schemaname IN ('ops', 'raw', 'warehouse', 'staging', 'crm_migrations')"
        ).fetchall()
        texts = [
            conn.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {name} t")
            for (name,) in tables
        ]
        return " ".join(text.fetchall()[0][0] for text in texts)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("system", MAIN)
def test_a_key_revoked_in_the_middle_stops_at_once_and_goes_on_when_renewed(
    open_house: Open, caplog: pytest.LogCaptureFixture, system: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    house, entity = open_house(system), MAIN[system]
    # Pauses would show a repetition that there must not be.
    house.source = replace(
        house.source, retry=replace(house.source.retry, delays=(30.0,) * 4)
    )
    house.sandbox.fault("status", status=status, after=4)

    with pytest.raises(AuthenticationError, match=str(status)) as failure:
        house.sync(entity, batch_size=50)

    assert house.sandbox.stats()["requests"] == 5  # the refused one is the last
    (job,) = house.rows("SELECT * FROM ops.sync_jobs")
    assert (job["status"], job["error_type"]) == ("failed", "authentication")
    assert "check the connection's password" in job["error_message"]
    assert house.value("SELECT count(*) FROM ops.watermarks") == 0
    house.sandbox.clear_faults()

    run = house.sync(entity, batch_size=50)

    assert run.status == "success"
    assert compare_all(house.conninfo, house.sandbox, entity) == {}
    told = f"{caplog.text} {failure.value!r} {everything(house.conninfo)}"
    assert house.sandbox.token not in told


@pytest.mark.parametrize("system", MAIN)
def test_a_wrong_key_costs_one_request_and_stands_nowhere(
    open_house: Open, caplog: pytest.LogCaptureFixture, system: str
) -> None:
    caplog.set_level(logging.DEBUG)
    house = open_house(system)
    wrong = _OtherKey(house.conninfo, house.sandbox, house.source)

    with pytest.raises(AuthenticationError) as failure:
        wrong.sync(MAIN[system])

    assert house.sandbox.stats()["requests"] == 1
    told = f"{caplog.text} {failure.value!r} {everything(house.conninfo)}"
    assert KEY not in told
    assert house.sync(MAIN[system]).status == "success"
