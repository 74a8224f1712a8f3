"""What became of HubSpot records that are not found under their ids.

Archived ones stand in a list of their own for 90 days, and can be read by id as such. A
merged one is answered for by its survivor, under the survivor's id. Of what was erased
for privacy, or archived longer ago, nothing is left
(https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from crm_warehouse.clients.hubspot_batches import Batches, is_id, key_of
from crm_warehouse.clients.hubspot_list import properties_query
from crm_warehouse.clients.hubspot_objects import endpoint
from crm_warehouse.clients.listing import read_listing, value_at
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import RequestRefusedError, TransientSourceError
from crm_warehouse.spec import Entity, Paging

#: A property that costs nothing; without one named, HubSpot sends some with data.
_ID = "hs_object_id"
_GONE = (404, 410)
#: Pages in a row of the archive that may bring nothing new; some are empty.
_MOST_STALE_PAGES = 20


class Fates(NamedTuple):
    """What became of records that were asked for and not found.

    Attributes:
        merged: Id -> id of the record that answers for it.
        archived: Id -> when it was archived.
    """

    merged: dict[str, str]
    archived: dict[str, datetime]


def find_fates(
    request_path: RequestPath,
    entity: Entity,
    asked: Sequence[str],
    records: Mapping[str | None, Any],
) -> Fates:
    """Ask about the missing records of a batch until each is explained.

    Args:
        request_path: Sends the requests.
        entity: Their kind.
        asked: Ids that were asked for.
        records: What came, by id; survivors of those that did not come among it.
    """
    merged: dict[str, str] = {}
    left = {each for each in asked if is_id(each)} - records.keys()
    for key, record in records.items():
        for each in left.intersection(_merged_ids(entity, record)):
            merged[each] = str(key)
    left -= merged.keys()
    archived = _archived(request_path, entity, sorted(left))
    left -= archived.keys()
    # Survivors need not say whom they stand for; but nobody comes unasked for nothing.
    unasked = records.keys() - {*asked, *merged.values()}
    for each in sorted(left) if unasked and entity.deletes.confirm_path else ():
        survivor = _answering(request_path, entity, each)
        if survivor is not None and survivor in records:
            merged[each] = survivor
    return Fates(merged, archived)


def iter_archived(
    request_path: RequestPath, entity: Entity, paging: Paging
) -> Iterator[dict[str, datetime]]:
    """Ids and times of archiving, page by page: the whole archive of an entity.

    Each id comes once. All are kept in memory, as those of a full load are.

    Raises:
        SourceError: A page could not be read, or the walk would never end.
    """
    params = {
        **(properties_query([_ID]) or {}),
        paging.size_param: str(paging.max_size),
        "archived": "true",
    }
    asked: set[str] = set()
    known: set[str] = set()
    stale = 0
    while True:
        answer = request_path.get(
            entity.path, params, lambda decoded: _read_page(decoded, entity, paging)
        )
        archived, following = answer.value
        news = {key: at for key, at in archived.items() if key not in known}
        known.update(news)
        yield news
        if following is None:
            return
        # No two cursors of a circle need be equal, nor need it have records.
        stale = 0 if news else stale + 1
        if following in asked or stale >= _MOST_STALE_PAGES:
            raise TransientSourceError(f"{entity.path}: the archive does not end")
        asked.add(following)
        params[paging.page_param] = following


def _read_page(
    decoded: Any, entity: Entity, paging: Paging
) -> tuple[dict[str, datetime], str | None]:
    if not isinstance(decoded, dict):
        raise TransientSourceError("the answer is no page of a list")
    following = value_at(decoded, paging.next_path)
    records = read_listing(decoded, entity.records_path).records
    return _times(records), None if following is None else str(following)


def _archived(
    request_path: RequestPath, entity: Entity, ids: list[str]
) -> dict[str, datetime]:
    if not ids:
        return {}
    path = f"{endpoint(entity, 'read')}?archived=true"
    return _times(Batches(request_path).read(path, [_ID], ids).records)


def _times(records: Sequence[Any]) -> dict[str, datetime]:
    """Time of archiving of each record that says that it is archived."""
    found = {}
    for record in records:
        key = key_of(record)
        if key is not None and record.get("archived") is True:
            found[key] = _moment(record.get("archivedAt"))
    return found


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise TransientSourceError("archivedAt is no time") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _answering(request_path: RequestPath, entity: Entity, source_id: str) -> str | None:
    """Id of the record that answers for an id, or None."""
    path = str(entity.deletes.confirm_path).replace("{id}", source_id)
    try:
        return request_path.get(path, {"properties": _ID}, key_of).value
    except RequestRefusedError as error:
        if error.status in _GONE:
            return None
        raise


def _merged_ids(entity: Entity, record: Any) -> set[str]:
    found = set()
    for path in entity.merged_ids:
        text = value_at(record, path) if isinstance(record, dict) else None
        for part in text.split(";") if isinstance(text, str) else ():
            found.add(part.partition(":")[0].strip())
    return found
