"""What cannot be in a source file, though each part of it is right in itself."""

from typing import Any

from crm_warehouse.spec import Paging

#: Keys of an entity that say what a client of a source's own does, and no other.
_OF_OTHER_CLIENTS = ("endpoints", "associations", "created_param", "sensitive")
_REST = "rest"


def rest_problems(source: dict[str, Any]) -> dict[str, Any]:
    """What a source says that the client ``rest`` would pass over in silence.

    Args:
        source: The loaded parts, each right in itself.

    Returns:
        Messages by key; none of another client's source.
    """
    if source["client"] != _REST:
        return {}
    problems: dict[str, Any] = {}
    if source["paging"].style == "odata":
        problems["paging"] = {"style": ["odata does not go with client: rest"]}
    kinds = {
        place: {"kind": ["client: rest has one kind of request; leave it out"]}
        for place, quota in enumerate(source["quotas"])
        if quota.kind
    }
    if kinds:
        problems["quotas"] = kinds
    if source["webhooks"]:
        problems["webhooks"] = ["client: rest reads none"]
    entities = {
        name: {
            key: ["does not go with client: rest, which does not read it"]
            for key in _OF_OTHER_CLIENTS
            if entity[key]
        }
        for name, entity in source["entities"].items()
    }
    if found := {name: keys for name, keys in entities.items() if keys}:
        problems["entities"] = found
    return problems


def parameter_problems(source: dict[str, Any]) -> dict[str, Any]:
    """Query parameters of entities that the walk of their lists sets itself.

    One that names a place would begin every list in its middle.

    Args:
        source: As of :func:`rest_problems`.

    Returns:
        Messages by entity.
    """
    paging: Paging = source["paging"]
    walks = {paging.page_param: "paging", paging.size_param: "paging"}
    problems: dict[str, Any] = {}
    for name, entity in source["entities"].items():
        since = entity["since_param"]
        found: dict[str, Any] = {}
        if since in walks:
            found["since_param"] = [f"{since!r} is a parameter of {walks[since]}"]
        ours = {**walks, since: "since_param"}
        if twice := entity["params"].keys() & ours.keys():
            found["params"] = {
                word: [f"{word!r} is a parameter of {ours[word]}; leave it out here"]
                for word in sorted(twice)
            }
        if found:
            problems[name] = found
    return problems
