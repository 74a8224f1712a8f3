"""Names that must not clash inside a source."""

from typing import Any

#: Words of DAG ids ``<source>__<word>`` that are no entity's -> what those DAGs do.
RESERVED_ENTITIES = {
    "reconcile": "compares the source with the warehouse",
    "recover": "takes up jobs that nobody works on",
    "sweep": "looks for what no list shows as changed",
    "webhooks": "merges webhooks",
}
#: PostgreSQL cuts longer names without a word.
IDENTIFIER_LENGTH = 63


def name_problems(source: dict[str, Any]) -> dict[str, Any]:
    """What is wrong with the names of a source's entities and their aliases.

    Args:
        source: The file as written; other checks look after its types.

    Returns:
        Messages by entity.
    """
    entities = source.get("entities")
    if not isinstance(entities, dict):
        return {}
    owners = dict.fromkeys(entities, "the name of an entity")
    problems: dict[str, Any] = {}
    for name, entity in entities.items():
        found: dict[str, Any] = {}
        if messages := _entity_name(str(source.get("source", "")), name):
            found["_schema"] = messages
        if aliases := _aliases(entity, owners, f"an alias of {name}"):
            found["aliases"] = aliases
        if found:
            problems[name] = found
    return problems


def _aliases(entity: Any, owners: dict[str, str], owner: str) -> dict[int, list[str]]:
    aliases = entity.get("aliases") if isinstance(entity, dict) else None
    problems = {}
    for index, alias in enumerate(aliases if isinstance(aliases, list) else []):
        holder = owners.setdefault(str(alias), owner)
        # The entity's own repetitions are the list's to report.
        if holder != owner:
            problems[index] = [f"{alias!r} is already {holder}"]
    return problems


def _entity_name(source: str, entity: str) -> list[str]:
    problems = []
    if entity in RESERVED_ENTITIES:
        problems.append(
            f"the name {entity!r} is taken: the DAG {source}__{entity}"
            f" {RESERVED_ENTITIES[entity]}; give the entity another name"
        )
    length = len(f"{source}_{entity}")
    if length > IDENTIFIER_LENGTH:
        problems.append(
            f"the table raw.{source}_{entity} has a name of {length} characters, and "
            f"PostgreSQL takes {IDENTIFIER_LENGTH}; shorten one of the names"
        )
    return problems
