"""A migrated warehouse of each test, and loads of the real Genius definition."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from engine_load import Connection, Load

from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source


@pytest.fixture(scope="session")
def genius() -> Source:
    return load_source(default_directory() / "genius.yaml")


@pytest.fixture
def conn(warehouse: str) -> Iterator[Connection]:
    with psycopg.connect(warehouse, autocommit=True) as connection:
        yield connection


@pytest.fixture
def begin(genius: Source, conn: Connection) -> Callable[..., Load]:
    """Begins a job of an entity, on the test's connection unless another is named."""

    def begin(entity: str, on: Connection = conn, **asked: object) -> Load:
        return Load(on, genius, genius.entities[entity], **asked)

    return begin
