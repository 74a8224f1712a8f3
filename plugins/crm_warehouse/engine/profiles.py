"""Which profile of its source an entity was loaded with.

Its raw records have the shape of that profile. Profiles are APIs that write the same
things in other shapes, under other ids: their records must not stand beside each other,
so only a full load, which replaces everything, changes an entity's profile.
"""

from crm_warehouse.engine.job import JobRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Source


def check(conn: Connection, request: JobRequest, source: Source) -> None:
    """Refuse to mix the records of two profiles.

    Args:
        conn: Connection in autocommit mode.
        request: What is asked for.
        source: The source with the profile of its connection.

    Raises:
        ConfigurationError: The entity was loaded with another; says what to do.
    """
    name = request.entity_type
    loaded, ended = _loaded_with(conn, request.source_system, name)
    if request.mode == "full" or {loaded, ended} <= {None, source.profile}:
        return
    if loaded == source.profile:
        raise ConfigurationError(
            f"{request.source_system} {name} still has records of {_told(ended)}: the"
            f" full load that changes it to {_told(loaded)} has not ended well; run"
            " that again first"
        )
    raise ConfigurationError(
        f"{request.source_system} {name} was loaded with {_told(loaded)}, and the"
        f" connection names {_told(source.profile)}, whose records have other ids:"
        " correct the connection; or load it in mode full, which replaces all records"
        " (guard mass_delete will ask you)"
    )


def as_loaded(
    conn: Connection, source: Source, source_system: str, entity: Entity
) -> tuple[Source, Entity]:
    """Source and entity with the profile that the entity was loaded with.

    Where there is no connection at hand: nothing is asked of the source.

    Args:
        conn: Connection in autocommit mode.
        source: As its file has it.
        source_system: Instance name.
        entity: Of the source, or of any of its profiles.
    """
    if not source.profiles:
        return source, entity
    loaded, _ = _loaded_with(conn, source_system, entity.name)
    found = source.profiles.get(loaded or "", source)
    if entity.name not in found.entities:  # its profile is not there any more
        return source, entity
    return found, found.entities[entity.name]


def argument(source: Source) -> dict[str, str]:
    """What a job's arguments say of the profile: another one's job is not resumed."""
    return {"profile": source.profile} if source.profile else {}


def _loaded_with(
    conn: Connection, source_system: str, entity: str
) -> tuple[str | None, str | None]:
    """Profiles of the latest job, and of the latest load that ended well.

    Empty: the source's own API; None: there is no such job.
    """
    values = {"source_system": source_system, "entity_type": entity}
    row = conn.execute(query("load_profile"), values).fetchone()
    return row or (None, None)


def _told(profile: str | None) -> str:
    return f"profile {profile!r}" if profile else "no profile"
