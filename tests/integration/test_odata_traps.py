"""MarketSharp's real API in bad times: kills, late records, moving pages, clocks."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import requests

from crm_warehouse.engine import reading
from crm_warehouse.errors import RequestRefusedError, TransientSourceError
from include.sandbox.crm import Crm
from include.sandbox.marketsharp.odata import COMPANY, SECRET, SERVICE
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.integration.odata_house import ODataHouse

CONTACTS = SERVICE + "/Contacts"


@pytest.fixture(scope="module")
def small_sandbox() -> Iterator[SandboxServer]:
    """100 contacts: three pages of 40."""
    with SandboxServer(Settings(prospects=150), "marketsharp") as server:
        yield server


@pytest.fixture
def crm(small_sandbox: SandboxServer) -> Crm:
    small_sandbox.reset()
    small_sandbox.configure(quota={"enabled": False})
    return small_sandbox


@pytest.fixture
def odata(warehouse: str, crm: Crm, monkeypatch: pytest.MonkeyPatch) -> ODataHouse:
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 40)
    return ODataHouse(warehouse, crm)


def test_a_load_that_died_goes_on_behind_its_last_page(
    odata: ODataHouse, crm: Crm
) -> None:
    crm.fault("reset", path=CONTACTS, after=1, count=4)
    with pytest.raises(TransientSourceError):
        odata.sync("contacts", "full")
    [job] = odata.rows("SELECT status, checkpoint, records_received FROM ops.sync_jobs")
    assert (job["status"], job["records_received"]) == ("failed", 40)
    assert job["checkpoint"]["total"] == 100
    crm.clear_faults()
    crm.move("contacts", "change", 30)  # read already, or not yet: no matter

    result = odata.sync("contacts", "full")

    assert result.status == "success"
    assert odata.value("SELECT count(*) FROM ops.sync_jobs") == 1
    assert crm.log()[5]["query"]["$filter"].startswith("lastUpdate gt datetime'")
    odata.sync("contacts")
    assert odata.held("contacts") == odata.truth("contacts")


def test_records_that_move_while_pages_are_read_are_not_lost(
    odata: ODataHouse, crm: Crm
) -> None:
    """With ``$skip`` some would be: the same changes show it."""

    def page(skip: int) -> list[str]:
        epoch = str(int(time.time()))
        digest = hmac.new(
            base64.b64decode(SECRET),
            f"{COMPANY}{crm.token}{epoch}".encode(),
            hashlib.sha256,
        ).digest()
        signed = f"{COMPANY}:{crm.token}:{epoch}:{base64.b64encode(digest).decode()}"
        answer = requests.get(
            crm.base_url + CONTACTS,
            params={"$orderby": "lastUpdate,id", "$top": "40", "$skip": str(skip)},
            headers={"Authorization": signed},
            timeout=60,
        )
        found = ElementTree.fromstring(answer.content)
        names = {"d": "http://schemas.microsoft.com/ado/2007/08/dataservices"}
        return [str(each.text) for each in found.iterfind(".//d:id", names)]

    everybody = {row["source_id"] for row in odata.truth("contacts")}
    skipped = set(page(0))
    crm.move("contacts", "change", 50)
    skipped |= set(page(40)) | set(page(80))
    assert skipped < everybody

    pages = iter((None, 50, 50, 0))

    def move(_: object) -> None:
        if count := next(pages, 0):
            crm.move("contacts", "change", count)

    result = odata.sync("contacts", "full", progress=move)
    odata.sync("contacts")

    assert result.status == "success"
    assert odata.held("contacts") == odata.truth("contacts")


def test_late_records_come_with_the_next_window(odata: ODataHouse, crm: Crm) -> None:
    odata.sync("contacts")
    # They show 100 seconds after the time that they name: within lag and skew.
    crm.configure(clock_offset_seconds=-100)
    crm.move("contacts", "create", 5)
    crm.configure(clock_offset_seconds=0)

    result = odata.sync("contacts")

    assert result.records_created == 5
    assert odata.held("contacts") == odata.truth("contacts")


@pytest.mark.parametrize("offset", [7_200, -7_200])
def test_clocks_that_disagree_cost_one_repetition(
    odata: ODataHouse, crm: Crm, offset: int
) -> None:
    crm.configure(clock_offset_seconds=offset)

    result = odata.sync("contacts", "full")

    assert (result.status, result.records_created) == ("success", 100)
    statuses = [each["status"] for each in crm.log()]
    assert statuses.count(401) == 1


FAULTS = (
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 400},
    {"kind": "truncate"},
    {"kind": "html"},
    {"kind": "empty"},
    {"kind": "repeat_page"},
    {"kind": "empty_page"},
    {"kind": "shuffle_page"},
    {"kind": "short_page"},
    {"kind": "xml_attack", "form": "external_entity"},
    {"kind": "xml_attack", "form": "entity_bomb"},
)


def test_what_passes_leaves_no_trace(odata: ODataHouse, crm: Crm) -> None:
    for fault in FAULTS:
        crm.move("contacts", "change", 3)
        crm.fault(path=CONTACTS, after=1, count=2, **fault)

        result = odata.sync("contacts", "full")

        assert (result.status, result.records_processed) == ("success", 100), fault
        assert odata.held("contacts") == odata.truth("contacts"), fault


def test_a_refusal_that_stays_says_so(odata: ODataHouse, crm: Crm) -> None:
    crm.fault("status", status=404, path=CONTACTS)

    with pytest.raises(RequestRefusedError, match="status 404"):
        odata.sync("contacts", "full")


def test_a_list_that_comes_short_of_what_it_announced_is_read_again(
    odata: ODataHouse, crm: Crm
) -> None:
    crm.fault("lying_total", delta=3, path=CONTACTS, count=1)

    result = odata.sync("contacts", "full")

    assert (result.status, result.records_received) == ("success", 200)
    readings = "SELECT announced, collected FROM ops.sync_windows ORDER BY reading"
    assert odata.rows(readings) == [
        {"announced": 103, "collected": 100},
        {"announced": 100, "collected": 100},
    ]


def test_a_list_that_never_brings_what_it_announces_is_red(
    odata: ODataHouse, crm: Crm
) -> None:
    crm.fault("lying_total", delta=3, path=CONTACTS)

    with pytest.raises(TransientSourceError, match="announces 3 records and sends"):
        odata.sync("contacts", "full")
