"""Profiles of a source: what another of its APIs has other than the source's own.

A profile is written as changes of the source, and loaded as the whole source that they
make: what may be wrong with a source is found in a profile, too.
"""

from collections.abc import Iterator
from typing import Any

from marshmallow import ValidationError

from crm_warehouse.source_files.containers import Named
from crm_warehouse.source_files.document import Place
from crm_warehouse.source_files.fields import Described, Text, kind_of
from crm_warehouse.spec import Source

#: Keys about DAGs, which are made before any connection is known.
OF_THE_SOURCE = (
    "source",
    "title",
    "owner",
    "connection",
    "database_connection",
    "max_concurrent",
    "webhooks",
    "reconcile_schedule",
    "sweep_schedule",
    "profiles",
)
#: Likewise of an entity that the source itself has.
OF_THE_ENTITY = ("into", "aliases", "schedule", "full_schedule")
#: A mapping with one of these describes one thing: it is replaced whole.
_ONE_THING = frozenset({"style", "strategy", "from"})


class Changes(Described):
    """Changes of the source; what they make is loaded later, with the source."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError(f"must be a mapping, not {kind_of(value)}")
        problems: dict[str, Any] = {
            key: ["is the source's, whatever its profile; leave it out"]
            for key in OF_THE_SOURCE
            if key in value
        }
        if problems:
            raise ValidationError(problems)
        return value


def changes_of(name: Text, description: str) -> Named:
    """The key ``profiles``: names of profiles, and their changes."""
    return Named(
        description, name, Changes("Changes of the source's own keys."), default={}
    )


def profiles_in(data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Profiles of a source as written, and the sources that they make, as if written.

    Args:
        data: The file; other checks look after its types.
    """
    profiles = data.get("profiles") if isinstance(data, dict) else None
    if not isinstance(profiles, dict):
        return
    own = {key: value for key, value in data.items() if key != "profiles"}
    for name, changes in profiles.items():
        if isinstance(changes, dict):
            kept = {k: v for k, v in changes.items() if k not in OF_THE_SOURCE}
            yield name, _merged(own, kept)


def _merged(own: Any, changes: Any) -> Any:
    """The value with its changes: key by key, where null takes a key away."""
    if not isinstance(own, dict) or not isinstance(changes, dict):
        return changes
    if _ONE_THING & (own.keys() | changes.keys()):
        return changes
    merged = {
        key: value if key not in changes else _merged(value, changes[key])
        for key, value in own.items()
        if key not in changes or changes[key] is not None
    }
    added = {
        key: _merged({}, value)
        for key, value in changes.items()
        if key not in own and value is not None
    }
    return merged | added


def problems_beside(source: Source, profile: Source) -> Iterator[tuple[Place, str]]:
    """What of a profile does not go with the DAGs of its source."""
    for name, entity in profile.entities.items():
        own = source.entities.get(name)
        for key in OF_THE_ENTITY if own is not None else ():
            if getattr(entity, key) != getattr(own, key):
                yield (
                    ("entities", name, key),
                    "is the source's, which has this entity too; leave it out",
                )
