"""MarketSharp's OData service: what its feeds, its clock and its moods can do."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from recording_gate import RecordingGate
from scripted_server import Reply, Request, ScriptedServer

from crm_warehouse.clients.interface import Page, Window
from crm_warehouse.clients.marketsharp_odata import (
    MarketSharpODataClient,
    earliest_local,
)
from crm_warehouse.clients.registry import build_client, client_factory
from crm_warehouse.clients.signing import SignedTokens
from crm_warehouse.connections import Connection
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.source_files import default_directory, load_source
from include.sandbox.marketsharp.attacks import attack

SOURCE = load_source(default_directory() / "marketsharp.yaml").profiles["odata"]
SOURCE = replace(SOURCE, retry=replace(SOURCE.retry, delays=(1.0, 1.0)))
CONTACTS, PHONES = SOURCE.entities["contacts"], SOURCE.entities["contact_phones"]
COMPANY, KEY, SECRET = "4711", "canary-key", b"canary-secret"
ALL = Window(None, None)
NOON = 1_772_366_400  # 2026-03-01T12:00:00Z
META = "http://schemas.microsoft.com/ado/2007/08/dataservices"


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def feed(*rows: dict[str, str | None], count: int | None = None) -> Reply:
    def cell(name: str, value: str | None) -> str:
        if value is None:
            return f'<d:{name} m:null="true"/>'
        typed = ' m:type="Edm.Guid"' if name == "id" else ""
        return f"<d:{name}{typed}>{value}</d:{name}>"

    entries = "".join(
        '<entry><content type="application/xml"><m:properties>'
        + "".join(cell(*pair) for pair in row.items())
        + "</m:properties></content></entry>"
        for row in rows
    )
    told = "" if count is None else f"<m:count>{count}</m:count>"
    body = (
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"'
        f' xmlns:d="{META}" xmlns:m="{META}/metadata">'
        f"<title>Contacts</title>{told}{entries}</feed>"
    )
    return Reply(200, body.encode(), {"Content-Type": "application/atom+xml"})


def row(number: int, time: str | None = "2026-01-01T08:00:00") -> dict[str, str | None]:
    return {"id": uuid(number), "firstName": "Ada", "lastUpdate": time}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer().serving() as running:
        yield running


def client(
    server: ScriptedServer, gate: RecordingGate | None = None, clock: float = NOON
) -> Any:
    tokens = SignedTokens(COMPANY, KEY, SECRET, lambda: clock)
    return build_client(
        SOURCE, base_url=server.base_url, token=tokens, gate=gate or RecordingGate()
    )


def pages(server: ScriptedServer, entity: Any = CONTACTS, **options: Any) -> list[Page]:
    window = options.pop("window", ALL)
    asked = {"checkpoint": None, "page_size": 2, **options}
    return list(client(server).iter_pages(entity, window, **asked))


def filters(server: ScriptedServer) -> list[str | None]:
    return [request.query.get("$filter") for request in server.requests]


def test_null_and_empty_and_types_are_told_apart(server: ScriptedServer) -> None:
    server.answer(
        feed(
            {"id": uuid(1), "email1": None, "email2": "", "doNotMail": "true"}, count=1
        )
    )

    [page] = pages(server, PHONES)

    assert page.records == [
        {"id": uuid(1), "email1": None, "email2": "", "doNotMail": "true"}
    ]


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ('<d:note xml:space="preserve"> Ann </d:note>', " Ann "),
        ('<d:note m:type="Edm.String" xml:space="preserve"> </d:note>', " "),
        ('<d:note xml:lang="en" m:null="false">Ann</d:note>', "Ann"),
        ('<d:note m:type="Edm.Guid">00A-B</d:note>', "00a-b"),  # one form for all sets
        ('<d:note m:type="Edm.String">00A-B</d:note>', "00A-B"),
        (
            '<d:note m:type="Home.Place"><d:city>Ayr</d:city></d:note>',
            {"@type": "Home.Place", "city": "Ayr"},
        ),
    ],
)
def test_attributes_are_no_part_of_a_text(
    server: ScriptedServer, element: str, value: Any
) -> None:
    sent = feed({"id": uuid(1)}, count=1)
    body = sent.body.replace(b"</m:properties>", f"{element}</m:properties>".encode())
    server.answer(replace(sent, body=body))

    [page] = pages(server, PHONES)

    assert page.records == [{"id": uuid(1), "note": value}]


def test_a_page_goes_on_behind_the_last_record_not_behind_a_count(
    server: ScriptedServer,
) -> None:
    time, later = "2026-01-01T08:00:00", "2026-01-01T08:00:00.5"
    server.answer(
        feed(row(3, time), row(1, time), count=5),
        feed(row(2, time), row(9, later), count=3),
        feed(row(4, later), count=1),
    )

    found = pages(server)

    assert [len(page.records) for page in found] == [2, 2, 1]
    assert {page.total for page in found} == {5}
    assert {request.query["$orderby"] for request in server.requests} == {
        "lastUpdate,id"
    }
    assert not any("$skip" in request.query for request in server.requests)
    assert filters(server) == [
        None,
        f"lastUpdate gt datetime'{time}' or (lastUpdate eq datetime'{time}'"
        f" and id gt guid'{uuid(1)}')",
        f"lastUpdate gt datetime'{later}' or (lastUpdate eq datetime'{later}'"
        f" and id gt guid'{uuid(9)}')",
    ]


def test_a_walk_goes_on_from_its_checkpoint(server: ScriptedServer) -> None:
    server.answer(
        feed(row(1), row(2), count=3), feed(row(3), count=1), feed(row(3), count=1)
    )
    first, second = pages(server)

    [again] = pages(server, checkpoint=first.checkpoint)

    assert again == replace(
        second, observed_at=again.observed_at, source_time=again.source_time
    )
    assert filters(server)[1] == filters(server)[2]


def test_records_without_a_time_come_first_and_end(server: ScriptedServer) -> None:
    server.answer(feed(row(7, None), row(8, None), count=3), feed(row(1), count=1))

    pages(server)

    assert filters(server)[1] == (
        f"(lastUpdate eq null and id gt guid'{uuid(8)}') or lastUpdate ne null"
    )


def test_a_set_without_a_time_is_read_by_ids(server: ScriptedServer) -> None:
    phone = [{"contactId": uuid(n), "cellPhone": "1"} for n in range(3)]
    server.answer(feed(*phone[:2], count=3), feed(phone[2], count=1))

    pages(server, PHONES, window=Window(datetime(2026, 1, 1, tzinfo=UTC), None))

    assert filters(server) == [None, f"contactId gt guid'{uuid(1)}'"]
    assert server.requests[0].query["$orderby"] == "contactId"


def test_short_and_uncounted_pages_end_nothing_but_an_empty_one(
    server: ScriptedServer,
) -> None:
    server.answer(feed(row(1)), feed(row(2)), feed())

    found = pages(server)

    assert [len(page.records) for page in found] == [1, 1, 0]
    assert found[-1].total is None


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([feed(row(1), row(2), count=9)] * 4, "repeats 2 records of the page before"),
        (
            [
                feed(row(1), row(2), count=9),
                feed(row(3), count=7),
                *[feed(row(1), row(2), count=9)] * 3,
            ],
            "repeats a page of before",
        ),
        (
            [
                feed({"id": uuid(1)}, count=9),
                feed({"id": uuid(2)}, count=8),
                *[feed({"id": uuid(1)}, count=9)] * 3,
            ],
            "repeats a page of before",
        ),
        ([feed(count=3)] * 3, "announces 3 records and sends none"),
        (
            [feed(row(1, "2026-02-01T00:00:00"), row(2, "2026-01-01T00:00:00"))] * 3,
            r"not in the order of lastUpdate: does the service know \$orderby",
        ),
        ([Reply(200, b"<html><body>sorry</body></html>")] * 3, "is HTML"),
        ([Reply(200, b"<feed><entry><content/></entry></feed>")] * 3, "no properties"),
        ([Reply(200, feed(row(1)).body[:-30])] * 3, "truncated"),
    ],
)
def test_what_is_no_page_is_asked_for_again_and_then_a_fault(
    server: ScriptedServer, answers: list[Reply], told: str
) -> None:
    server.answer(*answers)

    with pytest.raises(TransientSourceError, match=told):
        pages(server)


@pytest.mark.parametrize("place", ["</m:properties>", "</entry>", "</feed>"])
def test_an_answer_that_breaks_off_with_an_error_is_no_page(
    server: ScriptedServer, place: str
) -> None:
    error = "<m:error><m:code/><m:message>timeout of Ada</m:message></m:error>"
    sent = feed(row(1), count=1)
    broken = sent.body.replace(place.encode(), f"{error}{place}".encode())
    server.answer(*[replace(sent, body=broken)] * 3)

    with pytest.raises(TransientSourceError, match="breaks off") as caught:
        pages(server)

    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize("bad", [{"id": "x' or true"}, {"id": None}])
def test_a_page_without_any_place_to_go_on_from_ends_the_walk_red(
    server: ScriptedServer, bad: dict[str, str | None]
) -> None:
    server.answer(feed({**row(1), **bad}, count=9))

    with pytest.raises(SourceError, match="no record of a page has a usable id"):
        pages(server)


@pytest.mark.parametrize("odd", [b"<d:id>1</d:id><d:id>2</d:id>", b""])
def test_what_is_no_text_is_no_place(server: ScriptedServer, odd: bytes) -> None:
    def answer(count: int) -> Reply:
        sent = feed({"id": uuid(1), "lastUpdate": None}, count=count)
        cell = f'<d:id m:type="Edm.Guid">{uuid(1)}</d:id>'.encode()
        assert cell in sent.body
        return replace(sent, body=sent.body.replace(cell, odd))

    server.answer(answer(9))
    with pytest.raises(SourceError, match="no record of a page has a usable id"):
        pages(server)

    server.answer(answer(1))  # nothing follows: the record is set aside later
    [page] = pages(server)
    assert len(page.records) == 1


@pytest.mark.parametrize("bad", [{"id": "x' or true"}, {"id": None}])
def test_a_walk_goes_on_behind_the_last_record_that_tells_a_place(
    server: ScriptedServer, bad: dict[str, str | None]
) -> None:
    time, later = "2026-01-01T08:00:00", "2026-01-01T09:00:00"
    odd = {**row(1, later), **bad}
    server.answer(
        feed(row(1, time), odd, count=4),
        feed(odd, row(2, later), count=3),
        feed(row(3, later), count=1),
    )

    found = pages(server)

    assert [len(page.records) for page in found] == [2, 2, 1]
    asked = [text for text in filters(server) if text]
    assert [text.rpartition("guid")[2] for text in asked] == [
        f"'{uuid(1)}')",
        f"'{uuid(2)}')",
    ]


@pytest.mark.parametrize(
    "form", ["external_entity", "entity_bomb", "doctype", "nul", "deep_nesting"]
)
def test_xml_attacks_are_faults(server: ScriptedServer, form: str) -> None:
    right = feed(row(1), count=1).body
    server.answer(*[Reply(200, attack(form, right, "feed", "entry"))] * 3)

    with pytest.raises(TransientSourceError):
        pages(server)


@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_refusal_in_passing_is_asked_again(
    server: ScriptedServer, status: int
) -> None:
    server.answer(Reply(status), Reply(status), feed(row(1), count=1))

    [page] = pages(server)

    assert (len(page.records), page.requests) == (1, 3)


@pytest.mark.parametrize("status", [400, 404])
def test_a_true_refusal_ends_with_its_status(
    server: ScriptedServer, status: int
) -> None:
    server.answer(*[Reply(status)] * 3)

    with pytest.raises(
        RequestRefusedError, match=f"/Contacts: .*status {status}.*3 req"
    ):
        pages(server)


def signature_of(request: Request) -> tuple[int, bool]:
    """The epoch of a request, and whether its signature is right."""
    company, key, epoch, sent = request.headers["Authorization"].split(":")
    digest = hmac.new(
        SECRET, f"{company}{key}{epoch}".encode(), hashlib.sha256
    ).digest()
    return int(epoch), sent == base64.b64encode(digest).decode()


def service(offset: float, right: bool = True) -> Any:
    """A service whose clock is off ours; it refuses times that are not its own."""

    def answer(request: Request) -> Reply:
        epoch, is_right = signature_of(request)
        now = NOON + offset
        date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
        if not right or not is_right or abs(epoch - now) > 300:
            return Reply(401, b"", {"Date": date})
        reply = feed(row(1), count=1)
        return replace(reply, headers={**reply.headers, "Date": date})

    return answer


@pytest.mark.parametrize("offset", [0, 250, 3_600, -86_400 * 400])
def test_a_wrong_clock_of_the_host_does_not_lock_us_out(
    server: ScriptedServer, offset: float
) -> None:
    server.run(service(offset))
    reader = client(server)

    for _ in range(2):
        [page] = reader.iter_pages(CONTACTS, ALL, checkpoint=None, page_size=2)

    assert len(page.records) == 1
    epochs = [signature_of(request) for request in server.requests]
    assert all(is_right for _, is_right in epochs)
    # One repetition, and from then on the service's clock.
    assert len(epochs) == (2 if abs(offset) <= 300 else 3)
    assert epochs[-1][0] == NOON + offset


def test_wrong_credentials_are_refused_once_and_never_shown(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.run(service(0, right=False))

    with pytest.raises(AuthenticationError) as caught:
        pages(server)

    assert len(server.requests) == 1
    for text in (str(caught.value), caplog.text, repr(client(server))):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"login": None}, "company id as login"),
        ({"password": ""}, "API key as password"),
        ({"login": "a:b"}, "without blanks and colons"),
        ({"extra": {}}, "needs the secret key in extra"),
        ({"extra": {"secret": "canary not base64"}}, "base64"),
    ],
)
def test_a_connection_that_cannot_sign_says_what_it_lacks(
    more: dict[str, Any], told: str
) -> None:
    right = {"secret": base64.b64encode(SECRET).decode()}
    fields = {"login": COMPANY, "password": KEY, "extra": right, **more}

    with pytest.raises(ConfigurationError, match=told) as caught:
        client_factory(
            SOURCE, Connection("marketsharp_default", **fields), lambda: None
        )  # type: ignore[arg-type,return-value]

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-01-15T12:00:00Z", "2026-01-15T07:00:00"),
        ("2026-07-15T12:00:00.9Z", "2026-07-15T08:00:00"),
        # Clocks are set back at 06:00Z: what comes then is shown as 01:00 again.
        ("2026-11-01T05:40:00Z", "2026-11-01T00:40:00"),
        ("2026-11-01T06:10:00Z", "2026-11-01T01:10:00"),
        # Clocks are set forward at 07:00Z.
        ("2026-03-08T06:59:00Z", "2026-03-08T01:59:00"),
        ("2026-03-08T07:00:00Z", "2026-03-08T03:00:00"),
    ],
)
def test_a_window_begins_at_the_earliest_that_the_wall_may_show(
    moment: str, shown: str
) -> None:
    since = datetime.fromisoformat(moment)

    assert earliest_local(since, "America/New_York") == shown
    assert earliest_local(since, None) == re.sub(r"(\.\d+)?Z$", "", moment)


def test_a_window_is_asked_for_in_local_time(server: ScriptedServer) -> None:
    server.answer(feed(count=0))
    since = datetime(2026, 1, 15, 12, tzinfo=UTC) + timedelta(microseconds=1)

    pages(server, window=Window(since, None))

    assert filters(server) == ["lastUpdate ge datetime'2026-01-15T07:00:00'"]


def test_a_sample_of_one_entry_is_a_record() -> None:
    body = feed(row(1)).body.split(b"</title>")[1].removesuffix(b"</feed>")
    entry = body.replace(b"<entry>", b'<entry xmlns:d="d" xmlns:m="m">')
    decoded = MarketSharpODataClient.decode(entry)

    assert MarketSharpODataClient.read_record(CONTACTS, decoded)["id"] == uuid(1)
