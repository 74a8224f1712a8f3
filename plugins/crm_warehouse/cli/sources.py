"""Sources and entities as a person names them."""

from crm_warehouse.cli.words import hint
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_source, load_sources
from crm_warehouse.spec import Entity, Source


def find_entity(source_name: str, entity_name: str) -> tuple[Source, Entity]:
    """Source and entity by name; an entity also by alias.

    Raises:
        ConfigurationError: There is none of that name, or its file is wrong.
    """
    source = find_source(source_name)
    return source, pick_entity(source, entity_name)


def pick_entity(source: Source, entity_name: str) -> Entity:
    """Entity of a source by name or alias.

    Raises:
        ConfigurationError: It has none of that name.
    """
    entity = source.entity(entity_name)
    if entity is None and entity_name == "webhooks" and source.webhooks:
        raise ConfigurationError(
            f"--entity: {source.name}'s webhooks are no entity; run "
            f"`python -m crm_warehouse webhooks merge --source {source.name}`"
        )
    if entity is None:
        entities = source.all_entities.values()
        known = [word for each in entities for word in (each.name, *each.aliases)]
        listed = ", ".join(_with_aliases(each) for each in entities)
        there = f" with profile {source.profile!r}" if source.profile else ""
        raise ConfigurationError(
            f"--entity: {source.name} has no entity {entity_name!r}{there}"
            f"{hint(entity_name, known)}; it has {listed}"
        )
    return entity


def find_source(name: str) -> Source:
    """Source by name.

    Raises:
        ConfigurationError: There is none of that name, or its file is wrong.
    """
    directory = default_directory()
    # Its own file first: another source's mistakes must not stop this one.
    own = directory / f"{name}.yaml"
    if name.isidentifier() and own.is_file():
        source = load_source(own)
        if source.name == name:
            return source
    sources = load_sources(directory)
    if name not in sources:
        raise ConfigurationError(
            f"--source: there is no source {name!r}{hint(name, sources)}; "
            f"there are {', '.join(sources)}"
        )
    return sources[name]


def _with_aliases(entity: Entity) -> str:
    if not entity.aliases:
        return entity.name
    return f"{entity.name} (or {', '.join(entity.aliases)})"
