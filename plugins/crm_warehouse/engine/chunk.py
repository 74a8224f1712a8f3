"""The records of one open chunk, mapped, each id once."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_warehouse.engine import payload
from crm_warehouse.engine.mapping import Mapping, Row
from crm_warehouse.engine.payload import Payload
from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.values import NULL

#: Marks the key of a record without an id; no source id holds such a character.
ANONYMOUS = "\x02"
#: A cursor says something to its source only; its beginning is enough to compare.
_LONGEST_PLACE, _LONGEST_CURSOR = 200, 16


@dataclass(slots=True)
class Entry:
    """One record of the chunk.

    Attributes:
        key: The source id, or a mark and the payload's digest when it has none.
        source_id: The source id, or None.
        version: Time of the source's last change, canonical text, or None.
        observed_at: When the request that brought it was sent, ISO 8601.
        payload: The record as JSON.
        row: The record as a row.
        repeated: Seen before in this job; merged, but not counted again.
        indexed: It comes from an index that may be late.
        page: Where in a list of the source it stood, or None.
        merged_ids: Records that were merged into it, as it says.
        known_keys: What it says under which ids others know it, as COPY text.
        part_of: Source id of the record that it is part of, if it is of one.
    """

    key: str
    source_id: str | None
    version: str | None
    observed_at: str
    payload: Payload
    row: Row
    repeated: bool = False
    indexed: bool = False
    page: str | None = None
    merged_ids: tuple[str, ...] = ()
    known_keys: str = NULL
    part_of: str | None = None

    @property
    def fingerprint(self) -> str:
        """What makes an error of this record the same error next time."""
        if self.source_id is None:
            return f"sha256:{self.payload.digest}"
        return f"id:{self.source_id}"

    @property
    def is_gone(self) -> bool:
        """Whether the record says that it was deleted in the source."""
        return self.row.line is None and self.row.reject is None

    @property
    def is_refused(self) -> bool:
        """Whether PostgreSQL would not have it, so that raw does not hold it either."""
        reject = self.row.reject
        return reject is not None and reject.error_type == "refused_by_warehouse"

    def copy_line(
        self, row: Row, empty_row: str, *, with_payload: bool, with_keys: bool = False
    ) -> str:
        """One line of COPY's text format for a chunk's table.

        Args:
            row: The entry's row, or one of those that it makes besides.
            empty_row: What stands for a row that was rejected.
            with_payload: Whether the payload is wanted too.
            with_keys: Whether its known keys are: a column behind the row's.
        """
        source_id = (self.source_id or "").replace("\\", "\\\\")
        exact = self.payload.exact if with_payload else None
        rejected = row.line is None
        line = empty_row if row.line is None else row.line
        return "\t".join(
            (
                source_id,
                self.version or NULL,
                self.observed_at,
                self.payload.digest,
                "t" if self.repeated else "f",
                "t" if self.indexed else "f",
                "t" if rejected else "f",
                row.sync_hash or NULL,
                f"{line}\t{self.known_keys}" if with_keys else line,
                NULL if exact is None else "\\\\x" + exact.hex(),
                self.payload.text.replace("\\", "\\\\") if with_payload else NULL,
            )
        )


class SeenIds:
    """Which records a job has seen. Keeps 64-bit hashes: flat memory, no lookups.

    Two ids with one hash (once in 10^7 jobs of a million records) would cost a count,
    never a record: every record is merged whether seen or not.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._hashes = {hash(key) for key in keys}

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._hashes

    def add(self, key: str) -> bool:
        """Note a key; True when it is new."""
        before = len(self._hashes)
        self._hashes.add(hash(key))
        return len(self._hashes) > before


class Chunk:
    """Collects records until they are worth a transaction.

    Args:
        mapping: Mapping of the records.
        seen: What the job has seen before.
        scope: Put before the keys of a job that reads several entities.

    Attributes:
        received: Records added, repetitions included.
        size_bytes: Characters of JSON held, as a bound for memory.
        pages: Pages that brought them.
        requests: Requests that brought them.
        retries: Requests since the last chunk that met a fault.
        anonymous_repeats: Records without an id that look like an earlier one.
        new_keys: Keys seen for the first time in this job.
        noted_keys: Keys of records that the job counts, though none came: as deleted.
    """

    def __init__(self, mapping: Mapping, seen: SeenIds, scope: str = "") -> None:
        self._mapping = mapping
        self._scope = scope
        self._seen = seen
        self._entries: dict[str, Entry] = {}
        self.received = 0
        self.size_bytes = 0
        self.pages = 0
        self.requests = 0
        self.retries = 0
        self.anonymous_repeats = 0
        self.new_keys: list[str] = []
        self.noted_keys: list[str] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def add(
        self,
        record: Any,
        observed_at: datetime,
        *,
        indexed: bool = False,
        page: str | None = None,
    ) -> None:
        """Map a record as it came from a page.

        Args:
            record: The record.
            observed_at: When the request was sent that brought it.
            indexed: It comes from an index that may be late.
            page: Where in a list it stood, as :func:`place_of` says it.
        """
        observed = observed_at.isoformat()
        self.put(entry_of(self._mapping, record, observed, indexed=indexed, page=page))

    def add_stored(self, stored: dict[str, Any]) -> None:
        """Map a record as ``sql/engine/read_raw.sql`` returns it."""
        record = payload.decode(stored["payload"], stored["payload_bytes"])
        version = stored["source_updated_at"]
        entry = _mapped(
            self._mapping,
            record,
            stored["source_id"],
            Payload(stored["payload"], stored["payload_bytes"], ""),
            version.isoformat() if version else None,
            stored["fetched_at"].isoformat(),
        )
        self.put(entry)

    def put(self, entry: Entry) -> None:
        """Take in a record that was mapped before, as :func:`entry_of` does."""
        key = entry.key = self._scope + entry.key
        self.received += 1
        self.size_bytes += len(entry.payload.text)
        entry.repeated = not self._seen.add(key)
        if not entry.repeated:
            self.new_keys.append(key)
        elif entry.source_id is None:
            self.anonymous_repeats += 1
        older = self._entries.get(key)
        if older is not None:
            if (
                older.version
                and entry.version
                and order_of(older.version) > order_of(entry.version)
            ):
                return  # the page brought an older state of the same record
            entry.repeated = older.repeated
        self._entries[key] = entry

    def drop(self, source_ids: Container[str]) -> None:
        """Forget records that must not be stored; they stay counted as seen."""
        self._entries = {
            key: entry
            for key, entry in self._entries.items()
            if entry.source_id is None or entry.source_id not in source_ids
        }

    def has_seen(self, source_id: str) -> bool:
        """Whether the job has counted this record, in this chunk or before."""
        return self._scope + source_id in self._seen

    def note(self, source_id: str) -> None:
        """Let a record pass for counted, should it come after all."""
        key = self._scope + source_id
        if self._seen.add(key):
            self.noted_keys.append(key)

    @property
    def last_version(self) -> str | None:
        """Latest time of change among the entries, or None."""
        return max((e.version for e in self if e.version), key=order_of, default=None)

    @property
    def failed(self) -> int:
        """Rejected records, repetitions left out."""
        return sum(1 for e in self if e.row.reject is not None and not e.repeated)

    @property
    def warnings(self) -> int:
        """Warnings of all entries, repetitions left out."""
        return sum(len(e.row.warnings) for e in self if not e.repeated)


def entry_of(
    mapping: Mapping,
    record: Any,
    observed_at: str,
    *,
    indexed: bool = False,
    page: str | None = None,
) -> Entry:
    """A record as it came from a page, mapped; for a chunk to take in.

    Reads nothing but its arguments: any thread may do it.

    Args:
        mapping: Mapping of the record.
        record: The record.
        observed_at: When the request was sent that brought it, ISO 8601.
        indexed: It comes from an index that may be late.
        page: Where in a list it stood, as :func:`place_of` says it.
    """
    source_id = mapping.source_id(record)
    version = mapping.version(record) if source_id is not None else None
    stored = payload.encode(record)
    entry = _mapped(mapping, record, source_id, stored, version, observed_at)
    entry.indexed, entry.page = indexed, page
    return entry


def _mapped(
    mapping: Mapping,
    record: Any,
    source_id: str | None,
    stored: Payload,
    version: str | None,
    observed_at: str,
) -> Entry:
    key = source_id if source_id is not None else ANONYMOUS + stored.digest
    row = mapping.map(record, source_id)
    entry = Entry(key, source_id, version, observed_at, stored, row)
    if source_id is not None:
        entry.merged_ids = mapping.merged_ids(record)
        if mapping.part_of is not None:
            entry.part_of = mapping.part_of(record)
        if mapping.known_keys is not None:
            entry.known_keys = mapping.known_keys(record, row.warnings)
    return entry


def place_of(path: str, checkpoint: dict[str, Any]) -> str:
    """Where a page stands, in words: behind it the list goes on at the checkpoint.

    Args:
        path: Path of the list, without its query.
        checkpoint: ``Page.checkpoint``.
    """
    place = next((p for p in checkpoint.values() if isinstance(p, dict)), {})
    cursor = checkpoint.get("cursor") or place.get("after")
    if "page" in checkpoint and "begun" in place:
        size = checkpoint["size"]
        words = f"page {place['begun'] // size + 1} of {path}, {size} records each"
    elif "end" in place:
        first = place["end"] - len(place.get("marks", ())) + 1
        words = f"records {first}-{place['end']} of {path}"
    elif place.get("last"):
        words = f"{path}, up to id {place['last']}"
    elif cursor and not cursor.startswith("/"):  # an address has a query
        cut = "…" if len(cursor) > _LONGEST_CURSOR else ""
        words = f"{path}, up to cursor {cursor[:_LONGEST_CURSOR]}{cut}"
    else:
        words = path
    return words[:_LONGEST_PLACE]


def order_of(version: str) -> str:
    """What sorts as instants do; with its Z, ``…00.5Z`` would come before ``…00Z``."""
    return version.removesuffix("Z")


def refuse(entry: Entry, reason: str) -> None:
    """Turn an entry that the warehouse refused into a reject."""
    problem = Problem("refused_by_warehouse", reason, "")
    entry.row = Row(None, None, problem, [])
