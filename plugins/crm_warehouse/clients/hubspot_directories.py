"""HubSpot's short lists: pipelines with their stages, and owners.

They have no search, no properties to choose and no index that lags, so every run reads
them whole.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crm_warehouse.clients.cost import pages_of
from crm_warehouse.clients.cursor import walk_cursor_pages
from crm_warehouse.clients.interface import Page
from crm_warehouse.clients.listing import Listing, read_listing
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import TransientSourceError
from crm_warehouse.spec import Entity, Paging

#: Below this path the answer lists pipelines, whose stages are the records.
_PIPELINES = "/crm/v3/pipelines/"


def iter_directory(
    request_path: RequestPath,
    entity: Entity,
    paging: Paging,
    *,
    checkpoint: dict[str, Any] | None,
    page_size: int,
) -> Iterator[Page]:
    """The whole list: what is active, then what was put away and is still named.

    Pipelines come in one answer and are deleted for good; there is no second list.
    """
    staged = entity.path.startswith(_PIPELINES)
    kept = checkpoint
    for archived in (False,) if staged else (False, True):
        if kept is not None and kept.get("archived", False) is not archived:
            continue
        pages = walk_cursor_pages(
            request_path,
            entity,
            paging,
            params={} if staged else {"archived": str(archived).lower()},
            checkpoint=kept,
            page_size=page_size,
            read=lambda decoded: _read(entity, decoded, staged=staged),
        )
        for page in pages:
            place = {**page.checkpoint, "archived": archived}
            yield replace(page, checkpoint=place)
        kept = None


def directory_pages(entity: Entity, records: int, size: int) -> int:
    """Requests for the whole list, of which so many records are known."""
    staged = entity.path.startswith(_PIPELINES)
    return 1 if staged else pages_of(records, size) + 1


def _read(entity: Entity, decoded: Any, *, staged: bool) -> Listing:
    listing = read_listing(decoded, entity.records_path)
    if not staged:
        return listing
    stages = [each for pipeline in listing.records for each in _stages(pipeline)]
    return replace(listing, records=stages)


def _stages(pipeline: Any) -> list[dict[str, Any]]:
    """One record per stage, with the pipeline that it is a stage of.

    A stage's id is unique in its pipeline only; together they are the record's.

    Raises:
        TransientSourceError: This is no pipeline; it must not look like one without
            stages.
    """
    try:
        own = {key: value for key, value in pipeline.items() if key != "stages"}
        return [
            {"id": f"{own['id']}:{stage['id']}", "pipeline": own, "stage": stage}
            for stage in pipeline["stages"]
        ]
    except (AttributeError, KeyError, TypeError):
        raise TransientSourceError(
            "the answer holds something else than pipelines with their stages"
        ) from None
