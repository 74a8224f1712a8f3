"""Whoever is asked for by id and does not come is merged, archived or gone."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from crm_warehouse.clients.hubspot import HubSpotClient
from crm_warehouse.clients.registry import build_client
from crm_warehouse.errors import TransientSourceError
from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.unit.clients.conftest import HUBSPOT
from tests.unit.clients.recording_gate import RecordingGate

CONTACTS = HUBSPOT.entities["contacts"]


@pytest.fixture(scope="module")
def crm(sandbox: Callable[..., SandboxServer]) -> Crm:
    return sandbox(Settings(prospects=260, quota=False), "hubspot").crm("hubspot")


@pytest.fixture
def client(crm: Crm) -> Iterator[HubSpotClient]:
    made = build_client(
        HUBSPOT, base_url=crm.base_url, token=crm.token, gate=RecordingGate()
    )
    assert isinstance(made, HubSpotClient)
    yield made
    made.close()


def act(crm: Crm, action: str, **call: Any) -> Any:
    return crm.admin("POST", f"/contacts/{action}", call)


def living(crm: Crm, count: int) -> list[str]:
    return [line["source_id"] for line in crm.truth("contacts")[:count]]


def test_whoever_does_not_come_is_merged_archived_or_gone(
    crm: Crm, client: HubSpotClient
) -> None:
    here, lost, survivor, archived, erased = living(crm, 5)
    act(crm, "merge", primary=survivor, merged=[lost])
    act(crm, "archive", ids=[archived])
    act(crm, "erase", ids=[erased])
    at = crm.admin("GET", "/contacts/states")["archived"][archived]
    asked = [here, lost, archived, erased]

    found = client.fetch_many(CONTACTS, asked)

    assert {record["id"] for record in found.records} == {here, survivor}
    assert found.missing == [lost, archived, erased]
    assert found.merged == {lost: survivor}
    assert found.archived == {archived: datetime.fromisoformat(at)}
    # Names of properties, the batch, and the archive for those without a survivor.
    assert found.requests == 3


def test_a_survivor_that_tells_nothing_is_found_by_asking(
    crm: Crm, client: HubSpotClient
) -> None:
    here, lost, survivor, erased = living(crm, 4)
    act(crm, "merge", primary=survivor, merged=[lost], tell="nothing")
    act(crm, "erase", ids=[erased])

    found = client.fetch_many(CONTACTS, [here, lost, erased])

    assert found.merged == {lost: survivor}
    assert found.archived == {}
    assert set(found.missing) == {lost, erased}


def test_nobody_is_asked_for_again_when_all_came(
    crm: Crm, client: HubSpotClient
) -> None:
    found = client.fetch_many(CONTACTS, living(crm, 3))

    assert (len(found.records), found.missing, found.requests) == (3, [], 2)


def test_the_whole_archive_is_walked(crm: Crm, client: HubSpotClient) -> None:
    ids = living(crm, 150)
    act(crm, "archive", ids=ids)

    pages = list(client.iter_archived(CONTACTS))

    assert len(pages) == 2
    assert set(ids) <= {each for page in pages for each in page}


def test_an_archive_in_a_circle_is_a_fault(crm: Crm, client: HubSpotClient) -> None:
    act(crm, "archive", ids=living(crm, 1))
    number = crm.fault("loop", path="/crm/v3/objects/contacts")
    try:
        with pytest.raises(TransientSourceError):
            list(client.iter_archived(CONTACTS))
    finally:
        crm.admin("DELETE", f"/faults/{number}")
