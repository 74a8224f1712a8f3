"""Sources as their connections reach them: with the profile that is named there."""

from crm_warehouse import connections
from crm_warehouse.cli.sources import find_source, pick_entity
from crm_warehouse.connections.profiles import profile_of
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Source, with_profile


def reached(source: Source) -> Source:
    """The source with the profile of its connection; as its file has it without one.

    Raises:
        ConfigurationError: The connection cannot be read, or names no known profile.
    """
    if not source.profiles:
        return source
    connection = connections.look_up(source.connection)
    return with_profile(source, profile_of(connection)) if connection else source


def reached_source(name: str) -> Source:
    """The same by the source's name.

    Raises:
        ConfigurationError: There is none of that name, or as of :func:`reached`.
    """
    return reached(find_source(name))


def reached_entity(source_name: str, entity_name: str) -> tuple[Source, Entity]:
    """Source and entity by name, with the profile of the source's connection.

    Raises:
        ConfigurationError: There is none of that name, or as of :func:`reached`.
    """
    source = reached_source(source_name)
    return source, reached_of(source, entity_name)


def reached_of(source: Source, entity_name: str) -> Entity:
    """Entity by name, of this profile of the source.

    Raises:
        ConfigurationError: It has none of that name, or another profile has it.
    """
    entity = pick_entity(source, entity_name)
    if entity.name in source.entities:
        return entity
    profiles = [
        name for name, p in source.profiles.items() if entity.name in p.entities
    ]
    raise ConfigurationError(
        f"--entity: {source.name} has {entity.name} with profile"
        f" {' or '.join(profiles)} only; name it in extra of {source.connection}"
    )
