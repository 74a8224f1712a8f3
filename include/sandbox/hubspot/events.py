"""What webhooks say about a move of a record."""

from typing import Any
from zlib import crc32

from include.sandbox.hubspot.properties import MODIFIED, SINGULAR
from include.sandbox.hubspot.table import Move
from include.sandbox.records import Fields, parse_json

PORTAL_ID = 24601
APP_ID = 9001
Event = dict[str, Any]


def events_of(move: Move) -> list[Event]:
    """Events of a move: one, or one per changed property; each lacks id and time."""
    kind = f"{SINGULAR[move.entity]}.{move.kind}"
    about: Event = {
        "portalId": PORTAL_ID,
        "appId": APP_ID,
        "subscriptionType": kind,
        "objectId": move.record.key,
        "changeSource": "CRM_UI",
    }
    if move.kind == "merge":
        about |= move.more
    if move.kind != "propertyChange":
        return [{**about, "subscriptionId": crc32(kind.encode()) % 1_000_000}]
    return [
        {
            **about,
            "subscriptionId": crc32(f"{kind}/{name}".encode()) % 1_000_000,
            "propertyName": name,
            "propertyValue": value,
        }
        for name, value in _changed(move).items()
    ]


def _changed(move: Move) -> Fields:
    """Properties that a move changed; the time of change only when it is all."""
    before = parse_json(move.before or b'{"properties":{}}')["properties"]
    after = parse_json(move.record.body)["properties"]
    changed = {
        name: "" if after.get(name) is None else after[name]
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    modified = MODIFIED[move.entity]
    rest = {name: value for name, value in changed.items() if name != modified}
    return rest or changed
