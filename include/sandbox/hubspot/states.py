"""Archiving, restoring, merging and erasing records, as people do it in HubSpot.

Of a merge the survivor tells by two properties that may disagree: one lists the ids of
the records that were merged into it, the other the ids with the times of their merges.
"""

from collections.abc import Iterable
from random import Random
from typing import Any

from include.sandbox.clock import Clock, iso_milliseconds
from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.store import Store
from include.sandbox.hubspot.table import HubSpotTable
from include.sandbox.records import Fields, Record

_IDS, _VIDS = "hs_merged_object_ids", "hs_calculated_merged_vids"
#: What the survivor's properties may tell: both everything, only one of them does,
#: one the latest merge and the other those before, or neither anything.
_TELLS = ("both", "ids", "times", "apart", "nothing")
_KEYS = {
    "archive": {"ids"},
    "restore": {"ids"},
    "erase": {"ids"},
    "merge": {"primary", "merged", "new_id", "tell"},
}


def states(table: HubSpotTable) -> dict[str, Any]:
    """JSON object: what is archived since when, merged into what, and erased."""
    return {
        "archived": {
            str(key): iso_milliseconds(table.deleted[key]) for key in table.archived
        },
        "merged": {str(key): str(into) for key, into in table.merged.items()},
        "erased": [str(key) for key in table.erased],
    }


def change_state(
    act: str, store: Store, entity: str, clock: Clock, rng: Random, call: dict[str, Any]
) -> dict[str, Any]:
    """Do one of the acts; what the call does not name is chosen at random.

    Raises:
        BadRequestError: The call has other words, or names no such record.
    """
    if unknown := sorted(call.keys() - _KEYS[act]):
        raise BadRequestError(f"{act} takes {sorted(_KEYS[act])}, not {unknown}")
    table = store.tables[entity]
    if act == "merge":
        return _merge(store, table, clock, rng, call)
    among = table.archived if act == "restore" else table.live
    if act == "erase" and "ids" in call:
        among = {**table.live, **table.archived}
    records = _named(among, call["ids"]) if "ids" in call else [_any(among, rng)]
    for record in records:
        if act == "archive":
            table.remove(record, clock.now())
        elif act == "restore":
            table.restore(record)
        else:
            table.erase(record.key)
    return {"ids": [str(record.key) for record in records]}


def _merge(
    store: Store, table: HubSpotTable, clock: Clock, rng: Random, call: dict[str, Any]
) -> dict[str, Any]:
    primary, losers = _chosen(table, rng, call)
    if (tell := call.get("tell", "both")) not in _TELLS:
        raise BadRequestError(f"tell is one of {', '.join(_TELLS)}")
    more = {
        "objectId": primary.key,
        "primaryObjectId": primary.key,
        "mergedObjectIds": [record.key for record in losers],
        "newObjectId": None,
    }
    survivor = primary
    if call.get("new_id") is True:
        survivor = table.twin(primary, clock.now())
        losers, more["newObjectId"] = [primary, *losers], survivor.key
    gone = [record.key for record in losers]
    fields = table.blueprint.parse(survivor.body)
    before = {k for k, into in table.merged.items() if into in (*gone, survivor.key)}
    _note(fields, table.blueprint.name, tell, sorted(before), gone, clock)
    more["numberOfPropertiesMoved"] = _fill(table, fields, losers)
    table.merge(survivor, losers, fields, clock.now())
    _move_links(store, table.blueprint.name, gone, survivor.key)
    table.tell_merge(survivor, gone, **more)
    return {"survivor": str(survivor.key), "ids": [str(key) for key in gone]}


def _chosen(
    table: HubSpotTable, rng: Random, call: dict[str, Any]
) -> tuple[Record, list[Record]]:
    """The record that survives, and those to be merged into it."""
    if "primary" in call:
        [primary] = _named(table.live, [call["primary"]])
    else:
        primary = _any(table.live, rng)
    others = {k: record for k, record in table.live.items() if k != primary.key}
    if "merged" in call:
        return primary, _named(others, call["merged"])
    return primary, [_any(others, rng)]


def _move_links(store: Store, entity: str, gone: list[int], survivor: int) -> None:
    for of, links in store.links.items():
        if of == entity:
            links.move_children(gone, survivor)
        if entity == "contacts":
            links.move_contacts(gone, survivor)


def _note(
    fields: Fields,
    entity: str,
    tell: str,
    before: list[int],
    gone: list[int],
    clock: Clock,
) -> None:
    """Write into the survivor what its properties tell of merges, now and before."""
    every = [*before, *gone]
    ids, vids = {
        "both": (every, every),
        "ids": (every, []),
        "times": ([], every),
        "apart": (gone, before),
        "nothing": ([], []),
    }[tell]
    moment = int(clock.now().timestamp() * 1_000)
    properties = fields["properties"]
    properties[_IDS] = ";".join(map(str, ids)) or None
    if entity == "contacts":
        properties[_VIDS] = ";".join(f"{key}:{moment}" for key in vids) or None


def _fill(table: HubSpotTable, fields: Fields, losers: Iterable[Record]) -> int:
    """Take from the losers what the survivor lacks; returns how many properties."""
    filled = 0
    for loser in losers:
        theirs = table.blueprint.parse(loser.body)["properties"]
        for name, value in theirs.items():
            if value and not fields["properties"].get(name) and name not in _OWN:
                fields["properties"][name] = value
                filled += 1
    return filled


#: Properties that no merge moves.
_OWN = frozenset({_IDS, _VIDS, "hs_object_id", "createdate", "hs_lastmodifieddate"})


def _named(among: dict[int, Record], ids: Any) -> list[Record]:
    if not isinstance(ids, list):
        raise BadRequestError("ids are a list of texts")
    found = [among.get(int(each)) for each in ids]
    if None in found:
        raise BadRequestError("there is no such record in that state")
    return [record for record in found if record is not None]


def _any(among: dict[int, Record], rng: Random) -> Record:
    clean = [record for record in among.values() if record.defect is None]
    if not clean:
        raise BadRequestError("there is no record in that state")
    return rng.choice(clean)
