"""Known keys: what records say under which ids others know them, while they say it."""

from dataclasses import replace
from random import Random
from string import ascii_letters
from typing import Any

import psycopg
import pytest
from engine_load import Connection, Load, at, connect, rows

from crm_warehouse.clients.interface import Property
from crm_warehouse.engine import schema_changes
from crm_warehouse.engine.absences import Gone
from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.known_keys import key_reader
from crm_warehouse.engine.record_paths import LONGEST_ID
from crm_warehouse.engine.share import share_links
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import KeyMap, Source

SAID = (
    "SELECT source_id, key_kind, key_value, end_reason FROM identity.known_keys"
    " ORDER BY source_id, key_kind, key_value, id"
)
MARKS = "SELECT xmin::text, ctid::text FROM identity.known_keys ORDER BY id"
WARNINGS = (
    "SELECT source_id, severity, error_type, field FROM ops.sync_errors"
    " WHERE error_type = 'unusable_key' AND NOT resolved ORDER BY source_id"
)
MS, HS = "marketsharp.contacts", "hubspot.contacts"
GUID = "0A1B2C3D-0000-1111-2222-ABCDEFABCDEF"
#: Values as sent, and the keys that they are.
FORMS: list[tuple[Any, list[str]]] = [
    ("7", ["7"]),
    (" 7\n", ["7"]),
    (7, ["7"]),
    (7.0, ["7"]),
    ("7.00", ["7"]),
    ("7.5", ["7.5"]),
    ("7; 8;;7", ["7", "8"]),
    ({"value": "7", "valid": True}, ["7"]),
    ({"value": None}, []),
    ({}, []),
    (GUID, [GUID.lower()]),
    ("AbC", ["AbC"]),
    ('a"\\b', ['a"\\b']),
    ("", []),
    (None, []),
    (0, []),
    ("0.0", []),
    (" NULL ;n/a; - ", []),
]
NO_KEYS = [
    *(True, [7], {"value": [7]}, 7.5, 1e300, "x" * 256, "Ж", "a\0", "a\x1bb"),
    *("ann@example.com", "Ann Lee", "7; ann@example.com"),
]


@pytest.fixture(scope="session")
def hubspot() -> Source:
    return load_source(default_directory() / "hubspot.yaml")


def prospect(number: int, minute: int = 0, **keys: Any) -> dict[str, Any]:
    moment = f"2026-02-01T10:{minute:02d}:00Z"
    return {"id": number, "first_name": "Ann", "modified_date": moment, **keys}


def contact(number: int, **properties: Any) -> dict[str, Any]:
    return {"id": str(number), "properties": {"firstname": "Ann", **properties}}


def load(
    conn: Connection,
    source: Source,
    *records: Any,
    minutes: float = 0,
    entity: str = "prospects",
) -> Load:
    begun = Load(conn, source, source.entities[entity])
    begun.write(*records, observed=at(minutes))
    begun.finish()
    return begun


def replayed(conn: Connection, source: Source, **changes: Any) -> Load:
    entity = replace(source.entities["prospects"], **changes)
    begun = Load(conn, source, entity, mode="replay", with_raw=False)
    begun.replay()
    begun.finish()
    return begun


def test_a_key_has_one_form(conn: Connection, genius: Source) -> None:
    records = [prospect(n, marketsharp_id=v) for n, (v, _) in enumerate(FORMS)]
    load(conn, genius, *records)

    assert rows(conn, SAID) == sorted(
        (str(n), MS, key, None) for n, (_, keys) in enumerate(FORMS) for key in keys
    )
    assert rows(conn, WARNINGS) == []


def test_what_is_no_key_is_a_warning(conn: Connection, genius: Source) -> None:
    records = [prospect(n, marketsharp_id=v) for n, v in enumerate(NO_KEYS)]
    begun = load(conn, genius, *records, prospect(99, hubspot_contact_id=7))

    assert rows(conn, SAID) == [("99", HS, "7", None)]
    assert rows(conn, WARNINGS) == sorted(
        (str(n), "warning", "unusable_key", f"known_keys.{MS}")
        for n in range(len(NO_KEYS))
    )
    assert (begun.job.records_created, begun.job.records_failed) == (
        len(NO_KEYS) + 1,
        0,
    )


def test_every_place_of_a_kind_counts() -> None:
    read = key_reader([KeyMap("x", (("a",), ("b", "c")))])

    assert read({"a": 1, "b": {"c": "2;1"}}, []) == '{"x":["1","2"]}'
    assert read({"b": {}}, []) == "\x01"


def test_the_longest_id_has_the_longest_key(conn: Connection, genius: Source) -> None:
    rng = Random(1)  # nothing that an index could compress
    letters = [chr(code) for code in range(0x10400, 0x10450)]
    source_id = "".join(rng.choices(letters, k=LONGEST_ID))
    key = "".join(rng.choices(ascii_letters, k=255))
    record = prospect(1, marketsharp_id=key) | {"id": source_id}

    assert load(conn, genius, record).job.records_created == 1
    assert rows(conn, SAID) == [(source_id, MS, key, None)]


def test_a_statement_knows_its_jobs(conn: Connection, genius: Source) -> None:
    first = load(conn, genius, prospect(1, marketsharp_id="5"))
    second = load(conn, genius, prospect(1, 1, marketsharp_id="6"), minutes=1)

    assert rows(
        conn,
        "SELECT source_system, entity_type, key_value, job_id, end_job_id,"
        " said_from < said_until FROM identity.known_keys ORDER BY id",
    ) == [
        ("genius", "prospects", "5", first.job.id, second.job.id, True),
        ("genius", "prospects", "6", second.job.id, None, None),
    ]


def test_what_is_said_no_more_ends_and_may_begin_again(
    conn: Connection, genius: Source
) -> None:
    for minute, value in enumerate(("5;6", "6", None, "6")):
        load(conn, genius, prospect(1, minute, marketsharp_id=value), minutes=minute)

    assert rows(conn, SAID) == [
        ("1", MS, "5", "changed"),
        ("1", MS, "6", "changed"),
        ("1", MS, "6", None),
    ]


def test_what_is_said_already_is_not_written(conn: Connection, genius: Source) -> None:
    load(conn, genius, prospect(1, marketsharp_id="5"), prospect(2))
    before = rows(conn, MARKS)

    load(conn, genius, prospect(1, marketsharp_id="5"), prospect(2), minutes=1)
    load(conn, genius, prospect(1, 1, marketsharp_id=" 5"), minutes=2)
    replayed(conn, genius)

    assert rows(conn, MARKS) == before


def test_a_change_of_a_key_alone_is_no_change_of_the_row(
    conn: Connection, genius: Source
) -> None:
    load(conn, genius, prospect(1, marketsharp_id="5"))

    begun = load(conn, genius, prospect(1, marketsharp_id="6"), minutes=1)

    assert (begun.job.records_updated, begun.job.records_unchanged) == (0, 1)
    assert rows(conn, SAID) == [("1", MS, "5", "changed"), ("1", MS, "6", None)]


def test_an_older_state_says_nothing(conn: Connection, genius: Source) -> None:
    load(conn, genius, prospect(1, 5, marketsharp_id="5"), prospect(2, 5))

    older = prospect(1, 1, marketsharp_id="6"), prospect(2, 1, marketsharp_id="7")
    load(conn, genius, *older, minutes=1)

    assert rows(conn, SAID) == [("1", MS, "5", None)]


def test_a_rejected_record_says_what_it_says(conn: Connection, genius: Source) -> None:
    visits = replace(
        genius.entities["appointments"], known_keys=(KeyMap("x", (("x",),)),)
    )
    begun = Load(conn, genius, visits)

    begun.write({"id": 1, "x": "5"})

    assert begun.job.records_failed == 1
    assert rows(conn, SAID) == [("1", "x", "5", None)]


def test_a_deleted_record_says_nothing_until_it_lives_again(
    conn: Connection, genius: Source
) -> None:
    load(conn, genius, prospect(1, marketsharp_id="5"), prospect(2, marketsharp_id="6"))
    begun = Load(conn, genius, genius.entities["prospects"])
    begun.loader.write(
        begun.job, Chunk(begun.mapping, SeenIds()), None, gone=Gone(["1"], at(9))
    )
    assert rows(conn, SAID) == [("1", MS, "5", "gone"), ("2", MS, "6", None)]

    revived = Load(conn, genius, genius.entities["prospects"])
    deleted_at = "SELECT deleted_at FROM raw.genius_prospects WHERE source_id = '1'"
    later = rows(conn, deleted_at)[0][0].replace(year=2099)
    revived.write(prospect(1, 1, marketsharp_id="5"), observed=later)

    assert rows(conn, SAID) == [
        ("1", MS, "5", "gone"),
        ("1", MS, "5", None),
        ("2", MS, "6", None),
    ]


def test_a_replay_fills_and_empties(conn: Connection, genius: Source) -> None:
    entity = replace(genius.entities["prospects"], known_keys=())
    begun = Load(conn, genius, entity)
    begun.write(prospect(1, marketsharp_id="5", hubspot_contact_id=7))
    begun.finish()
    assert rows(conn, SAID) == []

    replayed(conn, genius)
    assert rows(conn, SAID) == [("1", HS, "7", None), ("1", MS, "5", None)]

    replayed(conn, genius, known_keys=())
    assert rows(conn, SAID) == [("1", HS, "7", "changed"), ("1", MS, "5", "changed")]


def test_a_removed_property_takes_no_key_away(
    conn: Connection, hubspot: Source
) -> None:
    entity = hubspot.entities["contacts"]
    keys = {"marketsharp_id": "5", "genius_id": "6"}
    for names in (("marketsharp_id", "genius_id"), ("genius_id",)):
        told = [Property(each, "string", each) for each in names]
        schema_changes.note(conn, Load(conn, hubspot, entity).job, entity, told)
        record = contact(1, **{name: keys[name] for name in names})
        load(conn, hubspot, record, minutes=len(keys) - len(names), entity="contacts")

    assert rows(conn, SAID) == [
        ("1", "genius.prospects", "6", None),
        ("1", MS, "5", None),
    ]
    changes = "SELECT columns FROM ops.schema_changes WHERE kind = 'removed'"
    assert rows(conn, changes) == [([f"known_keys.{MS}"],)]


def test_an_erased_record_is_named_by_nobody(
    conn: Connection, genius: Source, hubspot: Source
) -> None:
    load(conn, genius, prospect(1, hubspot_contact_id="7;8", marketsharp_id="7"))
    load(conn, hubspot, contact(7, genius_id="1"), contact(8), entity="contacts")
    load(conn, hubspot, contact(7, genius_id="2"), minutes=1, entity="contacts")

    with conn.transaction():
        request = Request(hubspot.entities["contacts"], "hubspot", ["7"], "request", "")
        assert erase(conn, request).counts["identity.known_keys"] == 3
    left = [("1", HS, "8", None), ("1", MS, "7", None)]
    assert rows(conn, SAID) == left

    load(conn, genius, prospect(1, 1, hubspot_contact_id="7;8", marketsharp_id="7"))
    replayed(conn, genius)
    load(conn, hubspot, contact(7, genius_id="1"), minutes=9, entity="contacts")
    assert rows(conn, SAID) == left


def test_nobody_is_named_while_they_are_erased(
    conn: Connection, genius: Source, hubspot: Source, warehouse: str
) -> None:
    request = Request(hubspot.entities["contacts"], "hubspot", ["7"], "request", "cli")
    with connect(warehouse) as other, other.transaction():
        other.execute("SET LOCAL lock_timeout = '100ms'")
        with conn.transaction():
            share_links(conn, genius.entities["prospects"])
            with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
                erase(other, request)
        erase(other, request)


def test_an_entity_without_keys_pays_nothing(conn: Connection, genius: Source) -> None:
    begun = Load(conn, genius, genius.entities["users"])
    chunk = begun.chunk([{"id": 1, "name": "Ann", "marketsharp_id": "5"}])
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'chunk'::regclass"

    assert rows(conn, f"{columns} AND attname = 'known_keys'") == [(0,)]
    assert begun.mapping.known_keys is None
    assert [entry.known_keys for entry in chunk] == ["\x01"]


def test_each_record_is_looked_up_once(conn: Connection, genius: Source) -> None:
    count = 400
    records = [
        prospect(n, marketsharp_id=n, hubspot_contact_id=n) for n in range(count)
    ]
    conn.execute("SELECT pg_stat_force_next_flush()")
    begun = Load(conn, genius, genius.entities["prospects"])

    begun.write(*records)
    begun.write(*({**record, "modified_date": None} for record in records))
    conn.execute("SELECT pg_stat_force_next_flush()")

    # A plan that joins the wrong way round reads the chunk once for each record.
    read = rows(
        conn,
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0)"
        " FROM pg_stat_user_tables"
        " WHERE relname IN ('known_keys', 'genius_prospects', 'chunk')",
    )
    assert len(read) == 3
    assert [name for name, tuples in read if tuples > 20 * count] == []
