"""Any record, through COPY and both merges: PostgreSQL holds what was mapped."""

import json
from datetime import datetime
from typing import Any

import pytest
from engine_load import Begin, Connection, rows
from hypothesis import given, settings
from json_records import records

from crm_warehouse.engine import payload, values
from crm_warehouse.engine.payload import REPLACEMENT
from crm_warehouse.engine.values import NULL

RECORDS = 300
TEXT = ("first_name", "last_name", "email", "phone", "address", "city", "zip")
TIMES = {
    "created_date": "source_created_at",
    "modified_date": "source_updated_at",
}


def storable(text: str) -> str:
    """A text after what PostgreSQL refuses, and our mark of NULL, were replaced."""
    if text == NULL:
        return REPLACEMENT
    kept = (REPLACEMENT if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)
    return "".join(kept)


def as_text(value: Any) -> str | None:
    """What a text column should hold of a value."""
    if value is None or isinstance(value, str):
        return value if value is None else storable(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return storable(values.json(value))


def as_instant(value: Any) -> datetime | None:
    try:
        return (
            None if value is None else datetime.fromisoformat(values.timestamp(value))
        )
    except values.UnusableValueError:
        return None


def generated(names: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    @settings(max_examples=count, deadline=None, database=None)
    @given(records(names))
    def collect(record: dict[str, Any]) -> None:
        found.append({**record, "id": len(found)})

    collect()
    return found


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    found = generated((*TEXT, *TIMES, "status"), RECORDS)
    assert len(found) >= RECORDS * 0.9
    return found


def test_contacts_hold_what_was_mapped(
    begin: Begin, conn: Connection, sent: list[dict[str, Any]]
) -> None:
    load = begin("prospects")
    job = load.write(*sent)

    columns = ", ".join((*TEXT, *TIMES.values()))
    stored = rows(conn, f"SELECT source_id, {columns} FROM warehouse.contacts")
    by_id = {row[0]: row[1:] for row in stored}
    assert (job.records_created, job.records_failed) == (len(sent), 0)
    for record in sent:
        texts = [as_text(record.get(name)) for name in TEXT]
        times = [as_instant(record.get(name)) for name in TIMES]
        assert list(by_id[str(record["id"])]) == texts + times, ascii(record)


def test_raw_holds_every_record_exactly(
    begin: Begin, conn: Connection, sent: list[dict[str, Any]]
) -> None:
    begin("prospects").write(*sent)

    stored = rows(
        conn,
        "SELECT source_id, payload::text, payload_bytes, payload_hash"
        " FROM raw.genius_prospects",
    )
    by_id = {row[0]: row[1:] for row in stored}
    for record in sent:
        text, exact, digest = by_id[str(record["id"])]
        decoded = payload.decode(text, exact)
        assert json.dumps(decoded, sort_keys=True) == json.dumps(record, sort_keys=True)
        assert payload.encode(decoded).digest == digest


def test_a_replay_maps_every_record_as_the_load_did(
    begin: Begin, conn: Connection
) -> None:
    """Else a replay would report changes that the source never made."""
    sent = generated(("name", "full_name", "email", "status"), 200)
    first = begin("users")
    first.write(*sent)
    first.finish()
    hashes = "SELECT source_id, sync_hash FROM warehouse.users ORDER BY source_id"
    before = rows(conn, hashes)

    replay = begin("users", mode="replay", with_raw=False)
    chunk = replay.chunk([])
    statement = (
        "SELECT source_id, payload::text AS payload, payload_bytes,"
        " source_updated_at, fetched_at FROM raw.genius_users"
    )
    for source_id, text, exact, updated, fetched in rows(conn, statement):
        chunk.add_stored(
            {
                "source_id": source_id,
                "payload": text,
                "payload_bytes": exact,
                "source_updated_at": updated,
                "fetched_at": fetched,
            }
        )
    job = replay.loader.write(replay.job, chunk, {})

    changed = dict(rows(conn, hashes)).items() ^ dict(before).items()
    assert {i: ascii(sent[int(i)]) for i, _ in changed} == {}
    assert (job.records_unchanged, job.records_updated) == (len(sent), 0)
    assert rows(conn, hashes) == before


def test_attributes_hold_the_rest_of_the_record(begin: Begin, conn: Connection) -> None:
    rest = {"a\0": [2**70, "\ud800", {"x": None}], "b": 1.5, "c\td": "tab\there\\N"}
    begin("users").write({"id": 1, "name": "Bo", **rest})

    ((stored,),) = rows(conn, "SELECT attributes FROM warehouse.users")
    assert stored == payload.clean(rest)
