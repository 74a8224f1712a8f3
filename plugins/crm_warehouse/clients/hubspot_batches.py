"""HubSpot's records by id, all their properties, each of one version.

The names of a portal's properties stand in the body of the question: nothing is said
of how many it takes, so all are asked for at once, and half as many whenever that is
refused. Then a record is put together from several answers, and may have changed
between them.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import RequestRefusedError, TransientSourceError

#: Records per batch that the API allows; 50 if it were asked for their histories.
BATCH = 100
#: Refusals that fewer names may help against.
_TOO_MANY = frozenset({400, 413, 414})
#: So few names are refused for another reason.
_FEWEST_NAMES = 50
#: How often a record is read that changes while it is read.
_TRIES = 3
#: Digits of the largest id, a signed integer of 64 bits.
_MAX_DIGITS = 19
_LARGEST_ID = 2**63 - 1

_log = logging.getLogger(__name__)
_Record = dict[str, Any]


class Batched(NamedTuple):
    """What came of reading records by id.

    Attributes:
        records: Those that exist, each of one version.
        torn: Ids of those that changed at each try.
    """

    records: list[_Record]
    torn: list[str]


class Batches:
    """Reads records by id, a hundred at a time; several threads may use it at once.

    Args:
        request_path: Sends the requests.
    """

    def __init__(self, request_path: RequestPath) -> None:
        self._request_path = request_path
        self._most_names: int | None = None

    def read(self, path: str, names: list[str], ids: Iterable[str]) -> Batched:
        """Records with these properties; who does not exist is left out.

        A merged record comes as its survivor, under the survivor's id.

        Raises:
            SourceError: As of :meth:`RequestPath.post`.
        """
        records, torn = [], []
        for batch in _batches(ids):
            waiting = batch
            for _ in range(_TRIES):
                read = self._once(path, names, waiting)
                records += read.records
                waiting = read.torn
                if not waiting:
                    break
            torn += waiting
        if torn:
            _log.warning("%s: %d records change while they are read", path, len(torn))
        return Batched(records, torn)

    def _once(self, path: str, names: list[str], batch: list[str]) -> Batched:
        """Ask once for each part of the names, and put the answers together."""
        while True:
            width = self._most_names or len(names)
            parts = [names[at : at + width] for at in range(0, len(names), width)]
            try:
                answers = [self._ask(path, part, batch) for part in parts]
            except RequestRefusedError as error:
                if error.status not in _TOO_MANY or width <= _FEWEST_NAMES:
                    raise
                self._most_names = max(width // 2, _FEWEST_NAMES)
                continue
            return _together(answers)

    def _ask(self, path: str, names: list[str], batch: list[str]) -> list[_Record]:
        inputs = [{"id": source_id} for source_id in batch]
        body = {"properties": names, "inputs": inputs}
        return self._request_path.post(path, body, _read_batch).value


def key_of(record: Any) -> str | None:
    """The id that HubSpot knows a record by, also where ``id`` itself is lost.

    None when it has none that HubSpot could have given.
    """
    if type(record) is not dict:
        return None
    properties = record.get("properties")
    told = properties.get("hs_object_id") if type(properties) is dict else None
    value = told or record.get("id")
    text = str(value) if type(value) is int else value
    return text if type(text) is str and is_id(text) else None


def is_id(text: str) -> bool:
    """Whether a record may have this id: digits, at most 64 bits."""
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        return False
    return int(text) <= _LARGEST_ID


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _together(answers: list[list[_Record]]) -> Batched:
    """Whole records; torn where a part is missing or of another version."""
    first, *others = answers
    if not others:
        return Batched(first, [])
    records, torn = [], []
    by_key = [{key_of(record): record for record in answer} for answer in answers]
    for key in dict.fromkeys(key for answer in by_key for key in answer):
        parts = [answer[key] for answer in by_key if key in answer]
        versions = {str(part.get("updatedAt")) for part in parts}
        if len(parts) == len(answers) and len(versions) == 1:
            records.append(_merged(parts))
        else:
            torn.append(str(key))
    return Batched(records, torn)


def _merged(parts: list[_Record]) -> _Record:
    properties: _Record = {}
    for part in parts:
        properties |= part.get("properties") or {}
    return {**parts[0], "properties": properties}


def _read_batch(decoded: Any) -> list[_Record]:
    """Records of a batch.

    Raises:
        TransientSourceError: Some could not be read for another reason than that they
            do not exist; that must not be taken for a deletion.
    """
    try:
        errors = decoded.get("errors") or []
        failed = [e for e in errors if e.get("category") != "OBJECT_NOT_FOUND"]
        unfinished = decoded.get("status", "COMPLETE") != "COMPLETE"
        records: list[_Record] = decoded["results"]
        nameless = any(key_of(record) is None for record in records)
    except (AttributeError, KeyError, TypeError):
        raise TransientSourceError("the answer holds no batch of records") from None
    if failed or unfinished or nameless:
        raise TransientSourceError(
            "some records of the batch could not be read", is_up=True
        )
    return records
