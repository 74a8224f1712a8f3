"""Case 30: an answer that is broken is asked for again, and never ends a list.

Each source, each way of breaking, through the real client over real HTTP.
"""

import gzip
from itertools import pairwise

import pytest

from tests.integration.cases.conftest import Between
from tests.proof.meddler import MAIN, Meddler, Meddling, with_body
from tests.proof.oracle import compare_all
from tests.unit.clients.scripted_server import Reply, Request, raw_bytes

LOGIN = b"<!DOCTYPE html><html><body><form>Please sign in</form></body></html>"
BOM = b"\xef\xbb\xbf"


def _cut(_: Request, reply: Reply) -> Reply:
    return with_body(reply, reply.body[: len(reply.body) // 2])


def _cut_gzip(_: Request, reply: Reply) -> Reply:
    packed = gzip.compress(reply.body)
    return with_body(reply, packed[: len(packed) // 2], Content_Encoding="gzip")


def _no_gzip(_: Request, reply: Reply) -> Reply:
    return with_body(reply, reply.body, Content_Encoding="gzip")


def _login(_: Request, reply: Reply) -> Reply:
    return with_body(reply, LOGIN, Content_Type="text/html")


def _empty(_: Request, reply: Reply) -> Reply:
    return with_body(reply, b"")


def _no_content(_: Request, reply: Reply) -> Reply:
    return Reply(204)


def _half_chunk(_: Request, reply: Reply) -> Reply:
    half = reply.body[: len(reply.body) // 2]
    size = b"%x\r\n" % len(reply.body)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return raw_bytes(head + size + half)


def _announced_more(_: Request, reply: Reply) -> Reply:
    return raw_bytes(_head(len(reply.body) + 7) + reply.body)


def _announced_less(_: Request, reply: Reply) -> Reply:
    return raw_bytes(_head(len(reply.body) // 2) + reply.body)


def _head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


def _said_otherwise(_: Request, reply: Reply) -> Reply:
    kind = reply.headers["Content-Type"].partition(";")[0]
    return with_body(reply, reply.body, Content_Type=f"{kind}; charset=utf-16")


def _with_mark(_: Request, reply: Reply) -> Reply:
    return with_body(reply, BOM + reply.body)


BROKEN: dict[str, Meddling] = {
    "cut": _cut,
    "cut_gzip": _cut_gzip,
    "no_gzip": _no_gzip,
    "login": _login,
    "empty": _empty,
    "no_content": _no_content,
    "half_chunk": _half_chunk,
    "announced_more": _announced_more,
    "announced_less": _announced_less,
}


def _repeated(between: Meddler) -> list[int]:
    """Numbers of the requests for a page that were sent again at once."""
    asked = [(r.target, r.body) for r in between.requests if between.is_page(r)]
    return [number for number, (a, b) in enumerate(pairwise(asked), 1) if a == b]


def _break_every_other(crm: Meddler) -> list[int]:
    """Break each second answer, in each way once; returns the numbers struck."""
    begun, left, struck = crm.pages_asked, list(BROKEN.values()), list[int]()

    def meddle(request: Request, reply: Reply) -> Reply:
        number = crm.pages_asked - begun
        if not crm.is_page(request) or number % 2 or not left:
            return reply
        struck.append(number)
        return left.pop(0)(request, reply)

    crm.meddling = meddle
    return struck


@pytest.mark.parametrize("system", MAIN)
def test_a_broken_page_of_a_list_is_asked_for_again(
    between: Between, system: str
) -> None:
    crm = between(system)
    struck = _break_every_other(crm)

    result = crm.house.sync(MAIN[system], "full", batch_size=20)

    assert result.status == "success"
    assert len(struck) == len(BROKEN)
    assert _repeated(crm) == struck
    assert compare_all(crm.house.conninfo, crm.house.sandbox, MAIN[system]) == {}


def test_a_broken_page_of_a_search_is_asked_for_again(between: Between) -> None:
    crm = between("hubspot")
    crm.house.sync("contacts", "full")
    crm.house.sandbox.move("contacts", "change", 160)
    begun = crm.pages_asked
    struck = _break_every_other(crm)

    result = crm.house.sync("contacts", batch_size=10)

    assert result.records_updated == 160
    assert len(struck) == len(BROKEN)
    assert _repeated(crm) == [begun + number for number in struck]
    assert compare_all(crm.house.conninfo, crm.house.sandbox, "contacts") == {}


@pytest.mark.parametrize("system", MAIN)
def test_an_odd_page_that_is_whole_is_read(between: Between, system: str) -> None:
    crm = between(system)

    def meddle(request: Request, reply: Reply) -> Reply:
        odd = _with_mark if crm.pages_asked % 2 else _said_otherwise
        return odd(request, reply) if crm.is_page(request) else reply

    crm.meddling = meddle

    result = crm.house.sync(MAIN[system], "full", batch_size=50)

    assert result.status == "success"
    assert crm.pages_asked > 2
    assert _repeated(crm) == []
    assert compare_all(crm.house.conninfo, crm.house.sandbox, MAIN[system]) == {}


@pytest.mark.parametrize("system", MAIN)
def test_pages_that_stay_broken_fail_the_job_and_move_no_watermark(
    between: Between, system: str
) -> None:
    """The next sync goes on with the same job."""
    crm = between(system)
    crm.strike(3, _cut, times=10_000)
    entity = MAIN[system]

    with pytest.raises(Exception, match="gave up after") as failure:
        crm.house.sync(entity, batch_size=50)

    (job,) = crm.house.rows("SELECT * FROM ops.sync_jobs")
    assert (job["status"], job["error_type"]) == ("failed", "transient")
    assert job["error_message"] == str(failure.value)
    assert job["records_created"] > 0
    assert crm.house.value("SELECT count(*) FROM ops.watermarks") == 0
    crm.meddling = None

    result = crm.house.sync(entity, batch_size=50)

    assert (result.job_id, result.status) == (job["id"], "success")
    assert compare_all(crm.house.conninfo, crm.house.sandbox, entity) == {}
