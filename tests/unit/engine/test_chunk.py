"""One open chunk: each id once, the newest state of it, and numbers that add up."""

from typing import Any

import pytest
from engine_load import NOON, at
from test_mapping import MAPPINGS

from crm_warehouse.engine.chunk import Chunk, Entry, SeenIds, place_of, refuse

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def chunk_of(*records: Any, seen: SeenIds | None = None) -> Chunk:
    chunk = Chunk(MAPPINGS["prospects"], SeenIds() if seen is None else seen)
    for record in records:
        chunk.add(record, NOON)
    return chunk


def prospect(source_id: Any = 1, city: str = "", changed: Any = OLD) -> dict[str, Any]:
    return {"id": source_id, "city": city, "modified_date": changed}


def nameless(source_id: Any) -> dict[str, Any]:
    """A prospect with one warning."""
    return prospect(source_id) | {"first_name": "Ann", "last_name": "", "city": "x"}


def cities(chunk: Chunk) -> list[str]:
    """City of each entry, by its mapped line."""
    place = MAPPINGS["prospects"].columns.index("city")
    return [(entry.row.line or "").split("\t")[place] for entry in chunk]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (OLD, NEW, "second"),
        (NEW, OLD, "first"),
        (OLD, OLD, "second"),
        (None, OLD, "second"),
        (OLD, None, "second"),
        (None, None, "second"),
        ("garbage", OLD, "second"),
        # Instants, not texts: "…00.5Z" sorts before "…00Z".
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "second"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", "first"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.51Z", "second"),
        ("2026-01-01T00:00:00.51Z", "2026-01-01T00:00:00.5Z", "first"),
        ("2026-01-01T02:00:00+02:00", "2025-12-31T23:59:59Z", "first"),
    ],
)
def test_of_two_states_in_one_chunk_the_newer_is_kept(
    first: Any, second: Any, kept: str
) -> None:
    chunk = chunk_of(prospect(1, "first", first), prospect(1, "second", second))

    assert cities(chunk) == [kept]
    assert (chunk.received, len(chunk), chunk.new_keys) == (2, 1, ["1"])
    assert [entry.repeated for entry in chunk] == [False]


def test_a_number_and_its_text_are_one_id() -> None:
    assert chunk_of(prospect(1), prospect("1")).new_keys == ["1"]


def test_a_record_of_an_earlier_chunk_is_merged_but_not_counted_again() -> None:
    seen = SeenIds()
    chunk_of(prospect(1), prospect(2), seen=seen)
    later = chunk_of(prospect(2), prospect(3), prospect(2, "again"), seen=seen)

    assert later.received == 3
    assert later.new_keys == ["3"]
    assert {entry.key: entry.repeated for entry in later} == {"2": True, "3": False}
    assert sorted(cities(later)) == ["", "again"]


def test_a_rejected_record_that_comes_again_fails_once() -> None:
    seen = SeenIds()
    broken = {"city": "no id"}
    first = chunk_of(broken, dict(broken), seen=seen)
    second = chunk_of(broken, seen=seen)

    assert (first.received, len(first.new_keys), first.failed) == (2, 1, 1)
    assert (second.received, second.new_keys, second.failed) == (1, [], 0)


def test_a_warning_of_a_record_that_comes_again_counts_once() -> None:
    seen = SeenIds()
    first = chunk_of(nameless(1), nameless(2), seen=seen)
    later = chunk_of(nameless(2), nameless(3), seen=seen)

    assert (first.warnings, later.warnings) == (2, 1)


def test_records_without_an_id_are_told_apart_by_what_they_hold() -> None:
    chunk = chunk_of({"city": "a"}, {"city": "b"}, {"id": "", "city": "a"})

    assert chunk.failed == 3
    assert len({entry.fingerprint for entry in chunk}) == 3
    assert all(entry.fingerprint.startswith("sha256:") for entry in chunk)


def test_the_key_of_a_record_without_an_id_is_nobody_elses_id() -> None:
    (entry,) = chunk_of({"city": "a"})
    assert MAPPINGS["prospects"].source_id({"id": entry.key}) is None


def test_the_fingerprint_of_a_record_with_an_id_is_its_id() -> None:
    one, other = chunk_of(prospect(1, "a")), chunk_of(prospect(1, "b"))
    assert [e.fingerprint for c in (one, other) for e in c] == ["id:1", "id:1"]


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ([OLD, NEW, None], NEW),
        ([NEW, OLD], NEW),
        (["2026-01-01T00:00:00.5Z", OLD], "2026-01-01T00:00:00.5Z"),
        ([None, "garbage"], None),
        ([], None),
    ],
)
def test_the_latest_change_of_a_chunk(changes: list[Any], last: str | None) -> None:
    chunk = chunk_of(*(prospect(n, changed=c) for n, c in enumerate(changes)))
    assert chunk.last_version == last


def test_a_refused_entry_becomes_a_reject() -> None:
    chunk = chunk_of(prospect(1), prospect(2))
    refuse(next(iter(chunk)), "too large")

    assert chunk.failed == 1
    refused: Entry = next(iter(chunk))
    assert refused.row.reject is not None
    assert refused.row.reject.error_type == "refused_by_warehouse"


def test_warnings_and_size_are_counted() -> None:
    chunk = chunk_of(nameless(1))

    assert chunk.warnings == 1
    assert chunk.size_bytes > 50


def test_seen_ids_know_what_a_resumed_job_saw() -> None:
    seen = SeenIds(["1", "2"])

    assert [seen.add(key) for key in ("1", "3", "3")] == [False, True, False]
    assert len(seen) == 3


def test_a_stored_record_keeps_its_times() -> None:
    chunk = Chunk(MAPPINGS["prospects"], SeenIds())
    chunk.add_stored(
        {
            "source_id": "1",
            "payload": '{"id": 1, "city": "x"}',
            "payload_bytes": None,
            "source_updated_at": at(-60),
            "fetched_at": at(0),
        }
    )

    (entry,) = chunk
    assert (entry.version, entry.observed_at) == (
        at(-60).isoformat(),
        at(0).isoformat(),
    )
    assert cities(chunk) == ["x"]


@pytest.mark.parametrize(
    ("checkpoint", "place"),
    [
        (
            {"page": 4, "size": 50, "told": True, "total": 900,
             "last": {"begun": 100, "ids": [1]}},
            "page 3 of /users, 50 records each",
        ),
        (
            {"overlap": {"end": 150, "page": 3, "size": 50, "marks": ["m"] * 50}},
            "records 101-150 of /users",
        ),
        ({"search": {"last": "4711", "beside": 0}}, "/users, up to id 4711"),
        ({"search": {"last": None, "beside": 0}}, "/users"),
        ({"list": {"after": "70"}}, "/users, up to cursor 70"),
        ({"list": {"after": None}}, "/users"),
        ({"cursor": "/users?mail=a@x.example"}, "/users"),
        ({"cursor": "ZGVh" * 40}, "/users, up to cursor ZGVhZGVhZGVhZGVh…"),
    ],
)  # fmt: skip
def test_the_place_of_a_record_is_told_in_words(
    checkpoint: dict[str, Any], place: str
) -> None:
    assert place_of("/users", checkpoint) == place
