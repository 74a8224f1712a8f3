"""The ``known_keys`` of an entity: kind of key <- its places in the record."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from crm_warehouse.source_files import paths
from crm_warehouse.source_files.containers import Items
from crm_warehouse.source_files.document import Place
from crm_warehouse.source_files.fields import Described, Text, nearest
from crm_warehouse.source_files.values import record_path
from crm_warehouse.spec import KeyMap, Path, Source

_NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"


class KeyPlaces(Described):
    """One path, or several; loaded as a tuple of paths."""

    one = record_path("Where a key is in the record, e.g. properties.marketsharp_id.")
    several = Items(
        "Places that each may hold keys.",
        one,
        minimum=1,
        unique_by=paths.format_path,
    )

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[Path, ...]:
        if isinstance(value, list):
            loaded: tuple[Path, ...] = self.several.deserialize(value)
            return loaded
        return (self.one.deserialize(value),)


def key_kind(description: str) -> Text:
    """Whose ids the keys are."""
    return Text(
        description,
        pattern=rf"(?=.{{1,83}}$){_NAME}(\.{_NAME})?",
        hint="is no kind of key: write <source>.<entity>, whose records have these "
        "ids, or one name for what no source gives out",
    )


def key_maps(loaded: dict[str, tuple[Path, ...]]) -> tuple[KeyMap, ...]:
    """Loaded ``known_keys`` as objects, in YAML order."""
    return tuple(KeyMap(kind, places) for kind, places in loaded.items())


class Stray(NamedTuple):
    """A kind of key that names no entity of the described sources.

    Attributes:
        source: Source whose file says so.
        place: Where in the file.
        message: What is wrong with it.
        is_mistake: The source is described, and has no such entity. Otherwise the
            whole source may just not be loaded here.
    """

    source: str
    place: Place
    message: str
    is_mistake: bool


def stray_kinds(sources: Iterable[Source]) -> list[Stray]:
    """Kinds of keys that name none of the entities of these sources."""
    known = {source.name: source for source in sources}
    entities = {name: _entities(source) for name, source in known.items()}
    return [
        Stray(source.name, place, *problem)
        for source in known.values()
        for place, kind in _kinds(source)
        if (problem := _problem(kind, entities)) is not None
    ]


def _entities(source: Source) -> list[str]:
    """Names of the entities that the source or one of its profiles has."""
    each = (source, *source.profiles.values())
    return sorted({name for one in each for name in one.entities})


def _kinds(source: Source) -> Iterator[tuple[Place, str]]:
    """Kinds of keys, and where they stand; a profile's where the source's are not."""
    told: set[tuple[str, str]] = set()
    for prefix, one in (
        ((), source),
        *((("profiles", name), each) for name, each in source.profiles.items()),
    ):
        for entity in one.entities.values():
            for keys in entity.known_keys:
                if (entity.name, keys.kind) not in told:
                    told.add((entity.name, keys.kind))
                    place = ("entities", entity.name, "known_keys", keys.kind)
                    yield (*prefix, *place), keys.kind


def _problem(kind: str, known: Mapping[str, list[str]]) -> tuple[str, bool] | None:
    system, is_of_a_source, entity = kind.partition(".")
    if not is_of_a_source:
        return None
    entities = known.get(system)
    if entities is None:
        hint = nearest(system, known)
        return f"no source {system!r} is described here{hint}", False
    if entity in entities:
        return None
    return f"{system} has no entity {entity!r}{nearest(entity, entities)}", True
