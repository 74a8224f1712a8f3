"""Commands that look into the warehouse, and cannot change it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crm_warehouse.cli.sources import find_entity, find_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from crm_warehouse.engine.jobs import Connection


@contextmanager
def reading() -> Iterator["Connection"]:
    """A session that the server itself keeps from writing."""
    import psycopg

    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = on")
        yield conn


def entity_filter(source: str | None, entity: str | None) -> dict[str, str | None]:
    """Source system and entity type as filters; None lets everything pass.

    Raises:
        ConfigurationError: There is none of that name, or an entity without a source.
    """
    if source is None:
        if entity is not None:
            raise ConfigurationError("--entity: needs --source, whose entity it is")
        return {"source_system": None, "entity_type": None}
    if entity is None:
        return {"source_system": find_source(source).name, "entity_type": None}
    found, of_it = find_entity(source, entity)
    return {"source_system": found.name, "entity_type": of_it.name}
