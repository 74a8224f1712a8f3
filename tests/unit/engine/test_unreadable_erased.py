"""What cannot be read goes with an erased record if it names it, and else stays."""

import json
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from engine_load import Connection, rows
from test_carried_records import FORM, JSON, Merge, deliver, lead, merge, source
from test_erasure import MARK, places_of

from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_care import Care, replay
from crm_warehouse.engine.inbox_choice import Choice
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.redaction import Forgotten
from crm_warehouse.spec import Source

__all__ = ["merge", "source"]

BODIES = "SELECT body FROM staging.webhook_deliveries ORDER BY id"
DELIVERIES = "SELECT state, error_message FROM staging.webhook_deliveries ORDER BY id"
NOTHING = "nothing is left of it: it could not be read, and named an erased record"
Erase = Callable[[str], int]


@pytest.fixture
def erased(conn: Connection, source: Source) -> Erase:
    """Erases a lead, and tells how many deliveries were redacted."""

    def erased(source_id: str) -> int:
        asked = Request(
            source.entities["leads"], "activeprospect", [source_id], "request", "cli"
        )
        with conn.transaction():
            erase(conn, asked)
        counts = redact_inbox(conn, source, "activeprospect", actor="cli")
        return counts["staging.webhook_deliveries"]

    return erased


def bodies(conn: Connection) -> list[bytes]:
    return [zlib.decompress(body) for (body,) in rows(conn, BODIES)]


def test_unreadable_deliveries_of_others_stay(
    conn: Connection, merge: Merge, erased: Erase
) -> None:
    sent = [
        (b'{"id": "other", "lead": {"first_name": "Bo"', JSON),
        (b"<lead><id>166a1</id><first_name>Bo</first_name>", "text/xml"),
        (b"66a10", FORM),
    ]
    for body, content_type in sent:
        deliver(conn, body=body, content_type=content_type)
    merge()

    assert erased("66a1") == 0
    assert bodies(conn) == [body for body, _ in sent]
    assert erased("other") == 1


def test_one_that_names_the_record_stays_failed_with_a_reason_of_its_own(
    conn: Connection, merge: Merge, erased: Erase
) -> None:
    deliver(conn, body=f'{{"id": "66a1", "first_name": "{MARK}'.encode())
    merge()

    assert erased("66a1") == 1
    assert places_of(conn, MARK) == set()
    assert erased("66a2") == 0  # once is enough
    replay(conn, Care(Choice("deliveries", {"state": "failed"}), "me", True))
    merge()
    assert rows(conn, DELIVERIES) == [("failed", NOTHING)]


def test_of_what_is_not_taken_apart_yet_nothing_gets_lost_without_a_word(
    conn: Connection, merge: Merge, erased: Erase
) -> None:
    deliver(conn, body=f'{{"id": "66a1", "first_name": "{MARK}'.encode())

    erased("66a1")
    merge()

    assert rows(conn, DELIVERIES) == [("failed", NOTHING)]


def test_elements_that_cannot_be_read_stay_beside_those_of_the_erased(
    conn: Connection, merge: Merge, erased: Erase
) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    tower = '{"x":' * 400 + "1" + "}" * 400
    parts = [
        json.dumps(lead(lead={"first_name": MARK})),
        f'{{"id": "66a1", "x": "{MARK}", "y": {deep}}}',
        f'{{"id": "66a2", "x": "Bo", "y": {deep}}}',
        f'{{"id":"66a3","x":{tower}}}',
        f'["no lead", "66a1", "{MARK}"]',
        '"no lead"',
    ]
    deliver(conn, body=f"[{','.join(parts)}]".encode())
    merge()

    assert erased("66a1") == 1
    [left] = bodies(conn)
    assert (
        left.decode() == f'[{{"id":"66a1"}},null,{parts[2]},{parts[3]},null,"no lead"]'
    )


@pytest.mark.parametrize(
    "written",
    [
        '{"id":"a/b é&","x"',
        '{"id":"a\\/b \\u00e9&","x"',
        f"{quote('id=a/b é&')}=%",
        "id=a/b+é%26&lead",
        "<id>a/b &#233;&amp;</id>",
        "<id>a/b é&#x26;</id>",
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16"])
def test_an_id_is_found_however_it_is_written(written: str, charset: str) -> None:
    forgotten = Forgotten([("leads", "a/b é&")])

    assert forgotten.may_be_named_in(written.encode(charset))
    assert not forgotten.may_be_named_in(written.replace("/", "|").encode(charset))


@pytest.mark.parametrize("other", ["x66a1", "66a12", "66a1-7", "7-66a1", "66a1_"])
def test_an_id_inside_a_longer_one_is_another(other: str) -> None:
    forgotten = Forgotten([("leads", "66a1")])

    assert not forgotten.may_be_named_in(f'{{"id":"{other}"'.encode())
    assert forgotten.may_be_named_in(f'{{"id":"{other}","of":["66a1"'.encode())
