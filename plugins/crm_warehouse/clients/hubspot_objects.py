"""HubSpot's records, whole and of one shape, whichever way they were read.

The same state of a record must give the same payload from list, search and batch, or
its hash would change with each way.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from crm_warehouse.clients.hubspot_associations import Associations
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity

#: Records per batch that the API allows.
BATCH = 100
#: Records of a page that may be archived between the page and their batch. Deletions
#: in bulk heal with the next reading of the page.
_MAX_VANISHED = 10
#: Digits of the largest id, a signed integer of 64 bits.
_MAX_DIGITS = 19
_LARGEST_ID = 2**63 - 1
#: Present or not depending on the endpoint, and nothing of the record itself.
_ENDPOINTS_OWN = ("url", "objectWriteTraceId", "propertiesWithHistory")

_log = logging.getLogger(__name__)


class Objects:
    """Completes records: all properties, associations, one shape.

    Args:
        request_path: Sends the requests.
    """

    def __init__(self, request_path: RequestPath) -> None:
        self._request_path = request_path
        self._associations = Associations(request_path)
        self._names: dict[str, list[str]] = {}

    def property_names(self, entity: Entity) -> list[str]:
        """Names of all the properties that records of the entity may have.

        Asked once; who builds a client per job sees new properties with each job.
        """
        if entity.name not in self._names:
            answer = self._request_path.get(
                endpoint(entity, "properties"), {"archived": "false"}, _read_names
            )
            self._names[entity.name] = answer.value
        return self._names[entity.name]

    def read(self, entity: Entity, ids: Iterable[str]) -> list[dict[str, Any]]:
        """Records by id with all their properties; who does not exist is left out.

        A merged record comes as its survivor, under the survivor's id.
        """
        found: list[dict[str, Any]] = []
        for batch in _batches(ids):
            body = {
                "properties": self.property_names(entity),
                "inputs": [{"id": source_id} for source_id in batch],
            }
            path = endpoint(entity, "read")
            found += self._request_path.post(path, body, _read_batch).value
        return found

    def read_again(self, entity: Entity, sketches: Sequence[Any]) -> list[Any]:
        """Whole records in place of records without their properties.

        Records that were archived meanwhile are left out: they are no longer live.

        Raises:
            TransientSourceError: Too many are gone to believe it.
        """
        ids = [i for i in map(key_of, sketches) if i is not None]
        read = {key_of(record): record for record in self.read(entity, ids)}
        kept = [read[source_id] for source_id in ids if source_id in read]
        if vanished := len(ids) - len(kept):
            message = f"{vanished} of {len(ids)} records could not be read by id"
            if vanished > _MAX_VANISHED:
                raise TransientSourceError(f"{endpoint(entity, 'read')}: {message}")
            _log.warning("%s: %s; archived meanwhile", entity.path, message)
        odd = [sketch for sketch in sketches if key_of(sketch) is None]
        return kept + odd

    def finish(self, entity: Entity, records: list[Any]) -> None:
        """Give whole records their shape and their associations, in place."""
        by_id = {}
        for record in records:
            source_id = key_of(record)
            if source_id is not None:
                _shape(record)
                by_id[source_id] = record
        for kind, path in entity.associations.items():
            for source_id, linked in self._associations.read(path, by_id).items():
                associations = by_id[source_id].setdefault("associations", {})
                associations[kind] = {"results": linked}


def endpoint(entity: Entity, word: str) -> str:
    """One of the entity's further paths.

    Raises:
        ConfigurationError: The source file does not name it.
    """
    try:
        return entity.endpoints[word]
    except KeyError:
        raise ConfigurationError(
            f"{entity.source}: {entity.name} needs endpoints.{word} in its source file"
        ) from None


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


def _shape(record: dict[str, Any]) -> None:
    if type(record.get("id")) is int:
        record["id"] = str(record["id"])
    record.setdefault("archived", False)
    for key in _ENDPOINTS_OWN:
        record.pop(key, None)
    properties = record.get("properties")
    # Some endpoints write what is empty as null, others leave it out.
    if type(properties) is dict and None in properties.values():
        record["properties"] = {
            name: value for name, value in properties.items() if value is not None
        }


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _read_names(decoded: Any) -> list[str]:
    try:
        names = {definition["name"] for definition in decoded["results"]}
    except (KeyError, TypeError):
        names = set()
    if not names or not all(isinstance(name, str) for name in names):
        raise TransientSourceError("the answer names no properties")
    return sorted(names)


def _read_batch(decoded: Any) -> list[dict[str, Any]]:
    """Records of a batch.

    Raises:
        TransientSourceError: Some could not be read for another reason than that they
            do not exist; that must not be taken for a deletion.
    """
    try:
        errors = decoded.get("errors") or []
        failed = [e for e in errors if e.get("category") != "OBJECT_NOT_FOUND"]
        unfinished = decoded.get("status", "COMPLETE") != "COMPLETE"
        records: list[dict[str, Any]] = decoded["results"]
        nameless = any(key_of(record) is None for record in records)
    except (AttributeError, KeyError, TypeError):
        raise TransientSourceError("the answer holds no batch of records") from None
    if failed or unfinished or nameless:
        raise TransientSourceError("some records of the batch could not be read")
    return records
