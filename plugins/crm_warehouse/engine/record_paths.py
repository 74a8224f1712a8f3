"""Reading places of a record: values, ids, and lists of parents."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from crm_warehouse.engine.problems import Problem
from crm_warehouse.engine.values import trimmed
from crm_warehouse.spec import Entity, LinkMap, Path
from crm_warehouse.unified import PARTS

LONGEST_ID = 512
#: What stands where a record that exists says that it was not deleted.
_NOT_DELETED = ("", "false", "0")


def getter(path: Path, value_keys: Sequence[str] = ()) -> Callable[[Any], Any]:
    """Function that reads ``path`` from a record; None where nothing stands there.

    Args:
        path: The place.
        value_keys: Keys at which an object in that place may hold the value.
    """
    if value_keys:
        return _unwrapping(getter(path), value_keys)
    if len(path) == 1:
        key = path[0]
        return lambda record: record.get(key)
    if len(path) == 2 and isinstance(key := path[1], str):
        return _inside(path[0], key)

    def walk(record: Any) -> Any:
        for step in path:
            try:
                record = record[step]
            except (KeyError, IndexError, TypeError):
                return None
        return record

    return walk


def _inside(outer: str | int, key: str) -> Callable[[Any], Any]:
    """Function that reads what stands in an object of the record.

    As a longer path would, without an exception for what is absent: that takes
    longer than all the rest.
    """

    def inside(record: Any) -> Any:
        inner = record.get(outer)
        return inner.get(key) if type(inner) is dict else None

    return inside


def _unwrapping(
    get: Callable[[Any], Any], value_keys: Sequence[str]
) -> Callable[[Any], Any]:
    """Function that takes a value out of the object that holds it.

    An object with none of the keys is what it is: no converter of one value takes it.
    """

    def unwrapped(record: Any) -> Any:
        value = get(record)
        if type(value) is not dict:
            return value
        held = [value[key] for key in value_keys if key in value]
        if not held:
            return value
        return next((each for each in held if each is not None), None)

    return unwrapped


def first_of(
    paths: Sequence[Path],
    value_keys: Sequence[str] = (),
    *,
    skip_empty: bool = False,
) -> Callable[[Any], Any]:
    """Function that reads the first of several places where something stands.

    Args:
        paths: The places.
        value_keys: Keys under which an object there holds its value.
        skip_empty: An empty text is no value while another place is left; the last
            one's empty text says that all are empty.
    """
    getters = [getter(path, value_keys) for path in paths]

    def first(record: Any) -> Any:
        found = None
        for get in getters:
            if (value := get(record)) is not None:
                if value != "" or not skip_empty:
                    return value
                found = value
        return found

    return first


def joined(
    paths: Sequence[Path],
    between: str,
    *,
    whole: bool,
    value_keys: Sequence[str] = (),
) -> Callable[[Any], str | None]:
    """Function that makes one text of all places, trimmed; None where all are empty.

    Args:
        paths: The places.
        between: Text between their values.
        whole: None, too, where one of them is empty.
        value_keys: As of :func:`getter`.
    """
    getters = [getter(path, value_keys) for path in paths]

    def join(record: Any) -> str | None:
        values = [get(record) for get in getters]
        parts = [trimmed(value) for value in values if value is not None]
        parts = [part for part in parts if part]
        if not parts or (whole and len(parts) < len(getters)):
            return None
        return between.join(parts)

    return join


def gone_getter(entity: Entity) -> Callable[[Any], bool] | None:
    """Function that says whether a record was deleted; None: no record says it."""
    active, deleted = (
        getter(path) if path else None
        for path in (entity.active_path, entity.deleted_path)
    )
    if active is None and deleted is None:
        return None

    def is_gone(record: Any) -> bool:
        return bool(
            (active and _word(active(record)) == "false")
            or (deleted and _word(deleted(record)) not in _NOT_DELETED)
        )

    return is_gone


def _word(value: Any) -> str:
    return "" if value is None else trimmed(value).lower()


def whole_getter(entity: Entity) -> Callable[[Any], str | None] | None:
    """Function that reads which record another is part of; None: they are of none."""
    columns = {link.child for link in PARTS if link.table == entity.into}
    for line in entity.fields:
        if line.target in columns:
            get = first_of(line.paths, entity.value_keys)
            return lambda record: usable_id(get(record))
    return None


def rest(taken: set[str]) -> Callable[[Any], Any]:
    """Function that gives all top-level fields of a record but these."""

    def others(record: Any) -> Any:
        return {key: value for key, value in record.items() if key not in taken}

    return others


def usable_id(value: Any) -> str | None:
    """An id as text, or None when it is none that the warehouse can keep."""
    if type(value) is int:
        return str(value)
    if type(value) is not str or not 0 < len(value) <= LONGEST_ID:
        return None
    if "\0" in value or not value.isprintable():
        return None
    return value


def link_column(parent: str) -> str:
    """Column of a chunk that lists a record's parents of one kind."""
    return f"links_{parent}"


def links_getter(link: LinkMap) -> Callable[[Any], list[list[str]]]:
    """Function that lists a record's parents of one kind, each once.

    Its elements are ``[id, type]``, in the source's order; elements without a usable
    id are left out.
    """
    get_list, get_id = getter(link.path), getter(link.id_path)
    get_type = getter(link.type_path) if link.type_path else None

    def links(record: Any) -> list[list[str]]:
        found: dict[tuple[str, str], None] = {}
        listed = get_list(record)
        for element in listed if isinstance(listed, list) else ():
            parent_id = usable_id(get_id(element)) if type(element) is dict else None
            if parent_id is not None:
                kind = usable_id(get_type(element)) if get_type else None
                found[parent_id, kind or ""] = None
        return [[parent_id, kind] for parent_id, kind in found]

    return links


def merged_ids_getter(paths: Iterable[Path]) -> Callable[[Any], tuple[str, ...]]:
    """Function that lists the ids that a record says were merged into it, each once.

    Both forms that HubSpot writes are read: ``id;id``, and ``id:time;id:time``.
    """
    places = [getter(path) for path in paths]

    def merged_ids(record: Any) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for get in places:
            value = get(record)
            if type(value) is int:
                value = str(value)
            if type(value) is not str:
                continue
            for part in value.split(";"):
                each = part.partition(":")[0].strip()
                if each and each.isprintable():
                    found[each] = None
        return tuple(found)

    return merged_ids


def missing_id(record: Any) -> Problem:
    """A record that is none, or has no id."""
    if type(record) is not dict:
        return Problem("not_an_object", "the record is not an object", "")
    return Problem(
        "missing_id",
        f"no usable id: an integer, or printable text of 1 to {LONGEST_ID} characters",
        "source_id",
    )
