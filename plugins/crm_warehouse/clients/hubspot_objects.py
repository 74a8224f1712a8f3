"""HubSpot's records, whole and of one shape, whichever way they were read.

The same state of a record must give the same payload from list, search and batch, or
its hash would change with each way.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from crm_warehouse.clients.hubspot_associations import Associations
from crm_warehouse.clients.hubspot_batches import Batched, Batches, key_of
from crm_warehouse.clients.hubspot_properties import read_properties
from crm_warehouse.clients.interface import Property
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity

#: Records of a page that may be archived between the page and their batch. Deletions
#: in bulk heal with the next reading of the page.
_MAX_VANISHED = 10
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
        self._batches = Batches(request_path)
        self._properties: dict[str, list[Property]] = {}

    def properties(self, entity: Entity) -> list[Property]:
        """All the properties that records of the entity may have, by name.

        Asked once; who builds a client per job sees new properties with each job.
        """
        if entity.name not in self._properties:
            self._properties[entity.name] = read_properties(
                self._request_path,
                endpoint(entity, "properties"),
                sensitive=entity.sensitive,
            )
        return self._properties[entity.name]

    def property_names(self, entity: Entity) -> list[str]:
        """Names of :meth:`properties`."""
        return [each.name for each in self.properties(entity)]

    def read(self, entity: Entity, ids: Iterable[str]) -> list[dict[str, Any]]:
        """Records by id with all their properties; who does not exist is left out.

        A merged record comes as its survivor, under the survivor's id.

        Raises:
            TransientSourceError: One changes whenever it is read.
        """
        read = self._read(entity, ids)
        if read.torn:
            raise TransientSourceError(
                f"{endpoint(entity, 'read')}: {len(read.torn)} records change while"
                " they are read"
            )
        return read.records

    def _read(self, entity: Entity, ids: Iterable[str]) -> Batched:
        asked = list(ids)
        if not asked:
            return Batched([], [])
        path = endpoint(entity, "read")
        return self._batches.read(path, self.property_names(entity), asked)

    def read_again(self, entity: Entity, sketches: Sequence[Any]) -> list[Any]:
        """Whole records in place of records without their properties.

        Records that were archived meanwhile are left out: they are no longer live. So
        are those that keep changing: the next window has them.

        Raises:
            TransientSourceError: Too many are gone to believe it.
        """
        ids = [i for i in map(key_of, sketches) if i is not None]
        read = {key_of(record): record for record in self._read(entity, ids).records}
        kept = [read[source_id] for source_id in ids if source_id in read]
        if vanished := len(ids) - len(kept):
            message = f"{vanished} of {len(ids)} records could not be read by id"
            if vanished > _MAX_VANISHED:
                raise TransientSourceError(f"{endpoint(entity, 'read')}: {message}")
            _log.warning("%s: %s; archived or changing", entity.path, message)
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
